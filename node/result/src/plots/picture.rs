//! What a picture is made of. No drawing.

/// Colours that tell labels apart.
pub(crate) const HUES: [[u8; 3]; 12] = [
    [31, 119, 180],
    [230, 97, 20],
    [44, 150, 60],
    [200, 40, 50],
    [140, 95, 190],
    [130, 90, 60],
    [220, 95, 170],
    [20, 160, 165],
    [160, 160, 30],
    [90, 120, 230],
    [220, 160, 20],
    [110, 125, 135],
];

/// A colour, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Headings.
    Text,
    /// Axes and notes.
    Quiet,
    /// Lines behind the data.
    Grid,
    /// Kept components.
    Kept,
    /// Other components.
    Rest,
    /// The running sum.
    Sum,
    /// One of [`HUES`].
    Hue(usize),
    /// Points without a place in the legend.
    Faint,
}

/// Forms of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A disc.
    Disc,
    /// A square.
    Square,
    /// A triangle on its base.
    Up,
    /// A square on its corner.
    Diamond,
    /// A triangle on its tip.
    Down,
    /// An upright cross.
    Cross,
}

/// All forms, in the order in which they are given out.
pub(crate) const FORMS: [Form; 6] =
    [Form::Disc, Form::Square, Form::Up, Form::Diamond, Form::Down, Form::Cross];

impl Form {
    /// Corners around the centre, in radii; none for a disc.
    pub(crate) fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Self::Disc => &[],
            Self::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Self::Up => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Self::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Self::Down => &[(0.0, 1.2), (-1.1, -0.8), (1.1, -0.8)],
            Self::Cross => &[
                (-0.4, -1.2),
                (0.4, -1.2),
                (0.4, -0.4),
                (1.2, -0.4),
                (1.2, 0.4),
                (0.4, 0.4),
                (0.4, 1.2),
                (-0.4, 1.2),
                (-0.4, 0.4),
                (-1.2, 0.4),
                (-1.2, -0.4),
                (-0.4, -0.4),
            ],
        }
    }
}

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// Something drawn, in pixels of the SVG.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A filled rectangle: left, top, width, height.
    Rect(Ink, [f64; 4]),
    /// Straight lines from point to point, and their width.
    Line(Ink, f64, Vec<(f64, f64)>),
    /// A mark around a point. A hollow one is its outline alone.
    Mark { ink: Ink, form: Form, hollow: bool, at: (f64, f64), radius: f64 },
    /// A line of text on a base line.
    Text { ink: Ink, anchor: Anchor, at: (f64, f64), text: String },
}

/// A picture, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) title: String,
    pub(crate) summary: String,
    pub(crate) items: Vec<Item>,
}

impl Picture {
    pub(crate) fn text(&mut self, ink: Ink, anchor: Anchor, at: (f64, f64), text: String) {
        self.items.push(Item::Text { ink, anchor, at, text });
    }
}
