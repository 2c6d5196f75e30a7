//! What a picture is made of. No drawing.

/// Colours that tell labels apart on light ground: each stands out from it by 3 to 1 at least, and
/// from the others for those too who see no red, green or blue.
pub(crate) const LIGHT: [[u8; 3]; HUES] = [
    [22, 89, 221],
    [214, 63, 0],
    [10, 146, 100],
    [192, 112, 165],
    [184, 141, 0],
    [38, 153, 226],
    [125, 26, 80],
    [116, 128, 122],
];

/// The same on dark ground.
pub(crate) const DARK: [[u8; 3]; HUES] = [
    [77, 143, 232],
    [238, 122, 48],
    [51, 187, 131],
    [240, 154, 200],
    [245, 213, 67],
    [127, 220, 255],
    [201, 64, 143],
    [168, 179, 160],
];

/// How many there are.
pub(crate) const HUES: usize = 8;

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
    /// Shares of the variance that are often asked for.
    Goal,
    /// Where the photographs of the fit lie.
    Cloud,
    /// One of [`LIGHT`] and [`DARK`].
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
    /// A triangle that points to the left.
    Left,
    /// A cross on its side.
    Times,
    /// A triangle that points to the right.
    Right,
}

/// All forms, in the order in which they are given out.
pub(crate) const FORMS: [Form; 9] = [
    Form::Disc,
    Form::Square,
    Form::Up,
    Form::Diamond,
    Form::Down,
    Form::Cross,
    Form::Left,
    Form::Times,
    Form::Right,
];

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
            Self::Left => &[(-1.2, 0.0), (0.8, -1.1), (0.8, 1.1)],
            // The upright one, turned by 45 degrees.
            Self::Times => &[
                (0.57, -1.13),
                (1.13, -0.57),
                (0.57, 0.0),
                (1.13, 0.57),
                (0.57, 1.13),
                (0.0, 0.57),
                (-0.57, 1.13),
                (-1.13, 0.57),
                (-0.57, 0.0),
                (-1.13, -0.57),
                (-0.57, -1.13),
                (0.0, -0.57),
            ],
            Self::Right => &[(1.2, 0.0), (-0.8, -1.1), (-0.8, 1.1)],
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
    /// A filled ellipse: its middle, its half axes.
    Ellipse(Ink, (f64, f64), (f64, f64)),
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
    /// One line or several.
    pub(crate) summary: String,
    pub(crate) items: Vec<Item>,
}

impl Picture {
    pub(crate) fn text(&mut self, ink: Ink, anchor: Anchor, at: (f64, f64), text: String) {
        self.items.push(Item::Text { ink, anchor, at, text });
    }
}
