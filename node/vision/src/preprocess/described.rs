//! A preparation out of its own description: what a fitted model says of the photographs it knows,
//! back to numbers. Whoever asks compares the description of what came out with the one that went
//! in, so that nothing is lost on the way.

use std::str::FromStr;

use super::Preprocess;
use super::settle::{Flags, Origin, Origins, PreprocessError, Size};
use crate::model::profile::{ChannelOrder, Declared, Filter};

impl Preprocess {
    /// What [`Preprocess::describe`] told, as a preparation. `said` finds value and origin of a
    /// field by its name.
    ///
    /// # Errors
    /// If a field is missing, or its words are none that a preparation of this release uses.
    pub fn described<'a>(
        said: impl Fn(&str) -> Option<(&'a str, &'a str)>,
    ) -> Result<Self, PreprocessError> {
        let field = |name: &'static str| {
            let (value, origin) = said(name).ok_or_else(|| foreign(name, "nothing"))?;
            Ok(Field { name, value, origin })
        };
        let (size, filter, order) = (field("size")?, field("filter")?, field("channel_order")?);
        let (scale, mean, std) = (field("scale")?, field("mean")?, field("std")?);
        let flags = Flags { size: Some(size.parsed::<Size>()?), ..Flags::default() };
        let declared = Declared {
            filter: Some(
                filter.one_of([("bicubic", Filter::Bicubic), ("bilinear", Filter::Bilinear)])?,
            ),
            channel_order: Some(
                order.one_of([("rgb", ChannelOrder::Rgb), ("bgr", ChannelOrder::Bgr)])?,
            ),
            scale: Some(scale.parsed()?),
            mean: Some(mean.three()?),
            std: Some(std.three()?),
            input_size: None,
        };
        let mut settled = Self::settle(&flags, &declared, &Declared::default())?;
        settled.origins = Origins {
            size: size.from()?,
            filter: filter.from()?,
            channel_order: order.from()?,
            scale: scale.from()?,
            mean: mean.from()?,
            std: std.from()?,
        };
        Ok(settled)
    }
}

/// One field of a description.
struct Field<'a> {
    name: &'static str,
    value: &'a str,
    origin: &'a str,
}

impl Field<'_> {
    fn parsed<T: FromStr>(&self) -> Result<T, PreprocessError> {
        self.value.parse().map_err(|_| foreign(self.name, self.value))
    }

    fn one_of<T: Copy>(&self, known: [(&str, T); 2]) -> Result<T, PreprocessError> {
        let found = known.iter().find(|(word, _)| *word == self.value);
        found.map(|(_, value)| *value).ok_or_else(|| foreign(self.name, self.value))
    }

    fn three(&self) -> Result<[f64; 3], PreprocessError> {
        let values: Result<Vec<f64>, _> = self.value.split(", ").map(str::parse).collect();
        let three = values.ok().and_then(|values| values.try_into().ok());
        three.ok_or_else(|| foreign(self.name, self.value))
    }

    fn from(&self) -> Result<Origin, PreprocessError> {
        let known = [Origin::Flag, Origin::Weights, Origin::Family];
        let found = known.into_iter().find(|origin| origin.as_str() == self.origin);
        found.ok_or_else(|| foreign(self.name, self.origin))
    }
}

fn foreign(field: &'static str, value: &str) -> PreprocessError {
    PreprocessError::Foreign { field, value: value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;

    fn read_back(settled: &Preprocess, change: (&str, &str)) -> Result<Preprocess, String> {
        let told = settled.describe();
        let told = told.map(|(name, value, origin)| (name, value, origin.as_str()));
        let said = |name: &str| {
            let (_, value, origin) = told.iter().find(|(known, ..)| *known == name)?;
            Some((if name == change.0 { change.1 } else { value.as_str() }, *origin))
        };
        Preprocess::described(said).map_err(|error| error.to_string())
    }

    #[test]
    fn every_preparation_comes_back_from_its_description() {
        for family in Family::ALL {
            for profile in ["keras", "torchvision", "caffe", "unit"] {
                let flags = Flags {
                    size: Some(Size { width: 320, height: 240 }),
                    filter: Some(Filter::Bicubic),
                    profile: Some(profile.parse().unwrap()),
                };
                for flags in [Flags::default(), flags] {
                    let settled =
                        Preprocess::settle(&flags, &Declared::default(), &family.profile());
                    let settled = settled.unwrap();
                    assert_eq!(read_back(&settled, ("", "")), Ok(settled));
                }
            }
        }
    }

    #[test]
    fn words_of_another_release_are_repeated_and_not_guessed() {
        let family = Family::ALL[0].profile();
        let settled = Preprocess::settle(&Flags::default(), &Declared::default(), &family).unwrap();
        for (field, word) in [
            ("size", "224x224 from the middle"),
            ("filter", "lanczos"),
            ("channel_order", "gbr"),
            ("scale", "one half"),
            ("mean", "0.5, 0.5"),
            ("std", "1, 1, 1, 1"),
        ] {
            let error = read_back(&settled, (field, word)).unwrap_err();
            assert!(error.contains(field) && error.contains(word), "{error}");
        }
        let error = read_back(&settled, ("std", "0, 1, 1")).unwrap_err();
        assert!(error.contains("std"), "{error}");
    }
}
