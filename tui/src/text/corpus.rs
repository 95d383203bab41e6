//! Hostile strings, as people and programs have sent them: escape sequences, invisible letters, overrides of direction, towers of marks.

/// Strings that must do no harm anywhere they are shown.
pub(crate) const HOSTILE: &[&str] = &[
    // Sequences that move, clear, colour, switch modes, or ask the terminal to type something back.
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}[31;1mred\u{1b}[0m",
    "\u{1b}[38;2;255;0;0mtrue colour",
    "\u{1b}[?1049l\u{1b}[?1000h",
    "\u{1b}[6n\u{1b}[c\u{1b}[>c",
    "\u{1b}[21t",
    "\u{1b}[99999999999999999999A",
    "\u{1b}[;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;m",
    "\u{1b}P$q\"p\u{1b}\\",
    "\u{1b}P+q544e\u{1b}\\",
    "\u{1b}Pq#0;2;0;0;0#0~~@@vv\u{1b}\\",
    "\u{1b}_Gf=24,s=10,v=10;AAAA\u{1b}\\",
    "\u{1b}^private\u{1b}\\",
    "\u{1b}Xstring\u{1b}\\",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]2;title\u{1b}\\",
    "\u{1b}]8;;http://example.org\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{1b}]9;notification\u{7}",
    "\u{1b}]777;notify;a;b\u{7}",
    "\u{1b}]52;c;cm0gLXJmIH4=\u{7}",
    "\u{1b}]50;?\u{7}",
    "\u{1b}]1337;File=inline=1:AAAA\u{7}",
    "\u{1b}]4;0;rgb:00/00/00\u{7}",
    "\u{1b}]without an end",
    "\u{1b}[without an end 12;",
    "\u{1b}",
    "\u{1b}\u{1b}\u{1b}[",
    "\u{1b}c\u{1b}7\u{1b}8\u{1b}D\u{1b}M",
    "\u{1b}(0lqqk\u{1b}(B",
    "\u{1b}%G\u{1b}#8",
    "\u{9b}2J\u{9d}0;title\u{9c}\u{90}q\u{9c}\u{9f}x\u{9c}",
    "\u{e}\u{f}shift",
    // Controls one by one.
    "a\u{0}b\u{1}c\u{2}d",
    "ring\u{7}\u{7}\u{7}",
    "erase\u{8}\u{8}\u{8}\u{8}\u{8}xxxxx",
    "tab\there\tand\tthere",
    "over\rwrite",
    "line\u{b}feed\u{c}forms\u{85}next\u{2028}line\u{2029}paragraph",
    "delete\u{7f}\u{7f}",
    // Direction.
    "photo\u{202e}gpj.exe",
    "\u{2067}\u{2066}isolates\u{2069}\u{2069}",
    "\u{202a}\u{202b}\u{202d}never closed",
    "access \u{61c}\u{200e}\u{200f}level",
    "سلام دوست من",
    "שלום hello 123",
    "Салом سلام Салом",
    // Invisible letters.
    "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}",
    "a\u{ad}b\u{34f}c\u{180e}d",
    "\u{3164}\u{115f}\u{1160}\u{ffa0}",
    "\u{2800}\u{2800}\u{2800}",
    "\u{e0001}\u{e0068}\u{e0069}\u{e007f}",
    "\u{fff9}a\u{fffa}b\u{fffb}",
    "\u{fe0f}\u{fe0e}\u{e0100}",
    " \u{a0}\u{2003}\u{3000}\u{205f}",
    // Marks and joiners.
    "Z\u{335}\u{321}\u{34e}\u{301}\u{300}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}\u{30b}\u{30c}\u{30d}\u{30e}\u{30f}",
    "\u{301}\u{301}\u{301}starts with marks",
    "и\u{304}\u{304}\u{304}",
    "\u{200d}\u{200d}👩\u{200d}\u{200d}👩\u{200d}",
    "👨\u{200d}👩\u{200d}👧\u{200d}👦👨\u{200d}👩\u{200d}👧\u{200d}👦",
    "🇹🇯🇺🇿🇰🇬🇰🇿🇷🇺🇹",
    "❤\u{fe0f}❤☺\u{fe0e}1\u{fe0f}\u{20e3}",
    "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "👋🏿👋🏻🏿🏿",
    // Width.
    "日本語のテキスト",
    "ｆｕｌｌｗｉｄｔｈ",
    "ﷺ ﷽ 𒐫 ⸻ ꧅",
    "ൎൎ ๏ก็็็็็็็็็็็็็็็็็็็็",
    "क्षत्रिय ক্ষ ங்க",
    "한국어 \u{1112}\u{1161}\u{11ab}",
    "𝕏𝖞𝒛 ℌ𝔢𝔩𝔩𝔬",
    "\u{f8ff}\u{e000}\u{10ffff}\u{fdd0}\u{fffe}",
    // What breaks parsers and forms.
    "",
    " ",
    "\n\n\n\n",
    "KARVON:KARVON-DOOR:",
    "%s%n%x $(reboot) `reboot` ; rm -rf",
    "../../../../etc/passwd",
    "{ $name } { -term } {\"\"}",
    "<script>alert(1)</script>&amp;",
    "' OR 1=1 --",
];

#[cfg(test)]
mod tests {
    use super::HOSTILE;
    use crate::text::width::{cell, clamp_marks, width};
    use crate::text::{lines, name, one_line, wrap};
    use unicode_segmentation::UnicodeSegmentation as _;

    #[test]
    fn no_hostile_string_leaves_anything_a_terminal_acts_on() {
        for text in HOSTILE {
            for line in lines(text).into_iter().chain([one_line(text), name(text, 7)]) {
                assert!(!line.chars().any(char::is_control), "{text:?} left {line:?}");
                let turned = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
                let overrides = |c: char| {
                    ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
                };
                assert!(!line.contains(turned) && !line.contains(overrides), "{text:?} left {line:?}");
            }
        }
    }

    #[test]
    fn no_hostile_string_overflows_its_cells() {
        for text in HOSTILE {
            for cells in [2, 3, 7, 40] {
                for line in lines(text) {
                    for row in wrap::wrapped(&line, cells) {
                        let widest = row.graphemes(true).map(cell).max().unwrap_or(0);
                        assert!(width(row) <= cells.max(widest), "{text:?} at {cells}: {row:?}");
                    }
                    assert_eq!(width(&crate::text::width::pad(&line, cells, false)), cells, "{text:?}");
                }
            }
            assert_eq!(clamp_marks(&one_line(text)), one_line(text));
        }
    }

    #[test]
    fn a_name_of_which_nothing_can_be_seen_is_shown_as_a_number() {
        for blank in
            ["\u{3164}", "\u{2800}\u{2800}", "\u{200b}", "\u{e0068}", " \u{a0}", "\u{115f}\u{ad}", ""]
        {
            assert_eq!(name(blank, 7), "#7", "{blank:?}");
        }
        for seen in ["А", "7", "!", "❤\u{fe0f}", "日"] {
            assert_eq!(name(seen, 7), seen);
        }
    }
}
