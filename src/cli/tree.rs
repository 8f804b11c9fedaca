//! A tree drawn with lines.

/// A node: its text, and what hangs on it.
#[derive(Debug, Default)]
pub struct Tree {
    label: String,
    children: Vec<Tree>,
}

impl Tree {
    /// A node without children.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            children: Vec::new(),
        }
    }

    /// The last child, if it has this label; otherwise a new last child with it.
    pub fn branch(&mut self, label: &str) -> &mut Self {
        if self.children.last().is_none_or(|last| last.label != label) {
            self.children.push(Self::new(label));
        }
        self.children
            .last_mut()
            .expect("a child was pushed if there was none")
    }

    /// A new last child.
    pub fn leaf(&mut self, label: impl Into<String>) {
        self.children.push(Self::new(label));
    }

    /// The tree as lines.
    pub fn draw(&self) -> String {
        let mut text = format!("{}\n", self.label);
        self.draw_children(&mut text, "");
        text
    }

    fn draw_children(&self, text: &mut String, indent: &str) {
        for (index, child) in self.children.iter().enumerate() {
            let (joint, line) = if index + 1 == self.children.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            text.push_str(&format!("{indent}{joint}{}\n", child.label));
            child.draw_children(text, &format!("{indent}{line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_together_hangs_on_one_branch() {
        let mut tree = Tree::new("root");
        tree.branch("a").leaf("1");
        tree.branch("a").branch("b").leaf("2");
        tree.leaf("3");
        assert_eq!(
            tree.draw(),
            "root\n├─ a\n│  ├─ 1\n│  └─ b\n│     └─ 2\n└─ 3\n"
        );
    }
}
