//! A figure: what ours and the other took in each round, their ratio, and what it should be.

use std::fmt::Write;

/// What the ratio should be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Ours itself, not its ratio, is to be no more than this.
    OursAtMost(f64),
    /// It is reported, and nothing is expected of it.
    Reported,
}

/// A figure.
pub struct Figure {
    /// What is measured.
    pub name: String,
    /// Of what.
    pub unit: &'static str,
    /// Ours, a round each.
    pub ours: Vec<f64>,
    /// What it is against.
    pub against: &'static str,
    /// The other, in the same rounds; empty: it stands alone.
    pub theirs: Vec<f64>,
    /// What is expected.
    pub aim: Aim,
}

impl Figure {
    /// The ratio of the medians.
    fn ratio(&self) -> Option<f64> {
        (!self.theirs.is_empty()).then(|| median(&self.ours) / median(&self.theirs))
    }

    /// The ratios of the rounds: the least and the greatest.
    fn spread(&self) -> Option<(f64, f64)> {
        let rounds = self.ours.iter().zip(&self.theirs);
        let ratios: Vec<f64> = rounds.map(|(ours, theirs)| ours / theirs).collect();
        (!ratios.is_empty()).then(|| extremes(&ratios))
    }

    fn is_met(&self) -> Option<bool> {
        match self.aim {
            Aim::AtMost(most) => self.ratio().map(|ratio| ratio <= most),
            Aim::AtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Aim::OursAtMost(most) => Some(median(&self.ours) <= most),
            Aim::Reported => None,
        }
    }

    fn line(&self) -> String {
        let aim = match self.aim {
            Aim::AtMost(most) => format!("≤ {most} ×"),
            Aim::AtLeast(least) => format!("≥ {least} ×"),
            Aim::OursAtMost(most) => format!("≤ {most} {}", self.unit),
            Aim::Reported => "–".to_owned(),
        };
        let ratio = match (self.ratio(), self.spread()) {
            (Some(ratio), Some((least, most))) => format!("{ratio:.2} × ({least:.2}–{most:.2})"),
            _ => "–".to_owned(),
        };
        let met = match self.is_met() {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "–",
        };
        let theirs = match &self.theirs[..] {
            [] => self.against.to_owned(),
            theirs => format!("{} ({})", shown(theirs, self.unit), self.against),
        };
        let (name, ours) = (&self.name, shown(&self.ours, self.unit));
        format!("| {name} | {ours} | {theirs} | {ratio} | {aim} | {met} |")
    }
}

/// The figures as a Markdown table.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::from(
        "| figure | ours | against | ratio (rounds) | aim | |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for figure in figures {
        writeln!(text, "{}", figure.line()).expect("a text takes what is written");
    }
    text
}

/// The middle one, or between the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

fn extremes(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    (least, most)
}

fn shown(values: &[f64], unit: &str) -> String {
    let value = median(values);
    let digits = match value {
        1_000.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$} {unit}")
}
