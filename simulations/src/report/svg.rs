//! Pictures: distributions and curves as SVG, written by hand so that nothing heavy is needed.

use super::read::Run;
use super::table::{short, title};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 48.0;
/// Told apart also by people who do not see all colours (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

type Lines<'a> = BTreeMap<String, &'a [(f64, f64)]>;

/// Writes a picture for each distribution and each curve of each scenario into `dir`; returns the files.
///
/// # Errors
/// If a file can not be written.
pub fn write_pictures(runs: &[Run], dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let mut pictures: BTreeMap<(String, String, bool), Lines<'_>> = BTreeMap::new();
    for run in runs {
        let label = format!("{}, seed {}", title(run), run.seed);
        for (series, is_cdf) in [(&run.cdfs, true), (&run.curves, false)] {
            for (name, points) in series {
                let key = (run.scenario.clone(), name.clone(), is_cdf);
                pictures.entry(key).or_default().insert(label.clone(), points);
            }
        }
    }
    let mut files = Vec::new();
    for ((scenario, name, is_cdf), lines) in pictures {
        let safe: String = format!("{scenario}-{name}")
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
            .collect();
        let file = dir.join(format!("{safe}.svg"));
        let y = if is_cdf { "percent" } else { "" };
        std::fs::write(&file, picture(&format!("{scenario}: {name}"), &name, y, &lines))?;
        files.push(file);
    }
    Ok(files)
}

/// One picture.
fn picture(heading: &str, x_name: &str, y_name: &str, lines: &Lines<'_>) -> String {
    let all = || lines.values().flat_map(|points| points.iter());
    let x_max = nice(all().map(|point| point.0).fold(0.0, f64::max));
    let y_max = nice(all().map(|point| point.1).fold(0.0, f64::max));
    let at_x = |x: f64| LEFT + x / x_max * (WIDTH - LEFT - RIGHT);
    let at_y = |y: f64| HEIGHT - BOTTOM - y / y_max * (HEIGHT - TOP - BOTTOM);
    let mut out = String::new();
    // Writing to a string can not fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>",
        escape(heading)
    );
    for step in 0..=5 {
        let part = f64::from(step) / 5.0;
        let (x, y) = (at_x(part * x_max), at_y(part * y_max));
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {y:.1}H{right}M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\" fill=\"none\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            short(part * y_max),
            bottom + 16.0,
            short(part * x_max)
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text><text x=\"8\" y=\"{:.1}\">{}</text>",
        WIDTH / 2.0,
        HEIGHT - 10.0,
        escape(x_name),
        TOP - 4.0,
        escape(y_name)
    );
    for (number, (label, points)) in lines.iter().enumerate() {
        let colour = COLOURS.get(number % COLOURS.len()).unwrap_or(&"#000");
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"><title>{}</title></polyline>",
            path.join(" "),
            escape(label)
        );
        // A legend of more lines than this would hide the picture; the titles still tell.
        if lines.len() <= 8 {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                WIDTH - RIGHT - 6.0,
                HEIGHT - BOTTOM - 10.0 - 15.0 * number as f64,
                escape(label)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

/// The next number of 1, 2, 2.5 or 5 times a power of ten that is not below `value`; 1 for nothing.
fn nice(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.0, 0.9, 7.0, 100.0, 230.0].map(nice), [1.0, 1.0, 10.0, 100.0, 250.0]);
    }

    #[test]
    fn a_picture_holds_every_line_inside_its_frame() {
        let points = [(0.0, 0.0), (50.0, 40.0), (80.0, 100.0)];
        let lines = Lines::from([("a & b".to_owned(), &points[..]), ("c".to_owned(), &points[1..])]);
        let text = picture("delay", "ms", "percent", &lines);
        assert_eq!(text.matches("<polyline").count(), 2);
        assert!(text.contains("a &amp; b"));
        let (_, rest) = text.split_once("points=\"").unwrap();
        let (path, _) = rest.split_once('"').unwrap();
        for pair in path.split(' ') {
            let (x, y) = pair.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y));
        }
    }
}
