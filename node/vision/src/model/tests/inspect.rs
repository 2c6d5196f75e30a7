//! What is told of weights, and the comparison of two ways of computing.

use crate::model::extractor::{Extractor, Options, embedded};
use crate::model::inspect::{About, PARITY_MAX, parity};
use crate::model::naming::Family;
use crate::model::tests::synthetic::{File, photograph};

#[test]
fn a_file_tells_what_it_is() {
    let about = About::read(embedded()).unwrap();
    assert_eq!(about.family, Family::TorchvisionMobilenetV2);
    assert_eq!((about.width, about.layers, about.channels), (Some(1.0), 52, 1_280));
    // 2,223,872 of torchvision's MobileNetV2 without classifier, less one of two numbers per
    // channel of each batch norm: 17,056 channels.
    assert_eq!(about.parameters, 2_223_872 - 17_056);
    assert_eq!(about.types.values().sum::<usize>(), about.tensors);
    assert_eq!(about.declared.input_size, Some(100));
    let timm = About::read(&File::of(Family::TimmMobilenetV2, 35).bytes()).unwrap();
    assert_eq!((timm.family, timm.width), (Family::TimmMobilenetV2, Some(0.35)));
    assert!(About::read(&embedded()[..1_000]).is_err());
}

#[test]
fn both_ways_agree_and_other_weights_do_not() {
    let (ours, others) = (File::of(Family::ALL[0], 50), File::of(Family::ALL[0], 100));
    let extractor = Extractor::load(&ours.bytes(), &Options::default()).unwrap();
    let input = photograph(48, 40);
    let same = parity(&ours.bytes(), &extractor, &input, (48, 40)).unwrap();
    assert!(same < PARITY_MAX, "{same}");
    let mut changed = ours;
    changed.set("features.3.conv.1.0.weight", 5, 9.0);
    let other = parity(&changed.bytes(), &extractor, &input, (48, 40)).unwrap();
    assert!(other > PARITY_MAX, "{other}");
    let wider = Extractor::load(&others.bytes(), &Options::default()).unwrap();
    assert!(parity(&changed.bytes(), &wider, &input, (48, 40)).is_ok_and(|d| d > PARITY_MAX));
}
