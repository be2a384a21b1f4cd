//! `noctuary cutout`: the images of an alert.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use noctuary_packet::cutout::{CutoutBytes, cutouts};

use super::get::{Which, one_packet};
use crate::config::Config;
use crate::error::{Failure, Result};
use crate::image;
use crate::output::Sink;
use crate::output::sink::print;

/// Get the images of an alert as FITS or PNG.
///
/// FITS is exactly what was sent, unpacked if it was gzip'd. A PNG shows the first image of the file. North is where
/// the survey put it: the first row of a FITS image is the lowest. Greys run from two robust deviations below the
/// median to the 99.7th percentile by an asinh stretch, so that faint and bright things are both seen; pixels without a
/// value are black.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary cutout 170239611403501617 --kind difference --format png -o difference.png
  noctuary cutout 170239611403501617 --kind all --format fits -o cutouts/
  noctuary cutout 689143710515010006 --survey ztf --kind science --format fits | fitsverify /dev/stdin")]
pub struct CutoutArgs {
    /// Id of the alert.
    pub id: String,
    /// Which image: difference, science, template, whatever else the survey sends, or all.
    #[arg(long, value_name = "KIND", default_value = "all")]
    pub kind: String,
    /// Its form.
    #[arg(long, value_enum, default_value_t = CutoutFormat::Fits)]
    pub format: CutoutFormat,
    /// A file, or a folder for files called ID-KIND.fits [default: this folder for all, standard output for one].
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,
    /// Dots of a PNG along each side of a pixel.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..))]
    pub scale: u8,
    #[command(flatten)]
    pub which: Which,
}

/// The forms of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CutoutFormat {
    /// As the survey sent it.
    Fits,
    /// A picture.
    Png,
}

impl CutoutFormat {
    fn extension(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Png => "png",
        }
    }
}

/// Runs the command.
pub async fn run(config: &Config, args: &CutoutArgs) -> Result<ExitCode> {
    let one = args.kind != "all";
    if let Some(output) = args.output.as_deref().filter(|_| !one) {
        takes_several(output)?;
    }
    let (packet, snapshot) = one_packet(config, &args.id, &args.which).await?;
    let survey = snapshot
        .survey(&packet.survey)
        .ok_or_else(|| Failure::internal(format!("survey {} of a stored packet is not known", packet.survey)))?;
    let mut images = cutouts(survey, &packet.schema, &packet.datum)?;
    if one {
        let kinds: Vec<String> = survey.cutouts.iter().map(|c| c.kind.clone()).collect();
        if !kinds.contains(&args.kind) {
            let kinds = kinds.join(", ");
            return Err(Failure::request(format!(
                "{} has no cutout {:?}; there are {kinds}",
                packet.survey, args.kind
            )));
        }
        images.retain(|image| image.kind == args.kind);
    }
    if images.is_empty() {
        return Err(Failure::not_found(format!("alert {} was sent without that image", args.id)));
    }
    let folder = match &args.output {
        Some(path) if !one || path.is_dir() => Some(path.clone()),
        None if !one => Some(PathBuf::from(".")),
        _ => None,
    };
    match folder {
        Some(folder) => write_all(&folder, &images, args),
        None => {
            for image in &images {
                let mut sink = Sink::open(args.output.as_deref())?;
                sink.refuse_terminal("an image")?;
                sink.write_all(&rendered(image, args)?)?;
                sink.finish()?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Refuses what was most likely meant for one image: standard output, a file, or the name of one.
fn takes_several(output: &Path) -> Result<()> {
    let named = output.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    let image = matches!(named.as_deref(), Some("fits" | "fit" | "fts" | "png" | "gz"));
    if output.is_dir() || (output.as_os_str() != "-" && !output.exists() && !image) {
        return Ok(());
    }
    Err(Failure::request(format!(
        "an alert has several images, and {} takes one: choose it with --kind, such as --kind science, or name a folder",
        if output.as_os_str() == "-" { "standard output".into() } else { output.to_string_lossy() }
    )))
}

fn write_all(folder: &Path, images: &[CutoutBytes], args: &CutoutArgs) -> Result<ExitCode> {
    std::fs::create_dir_all(folder).map_err(|e| Failure::from(e).during(folder.display()))?;
    // Ids of text could hold anything.
    let id: String = args.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    for image in images {
        let path = folder.join(format!("{id}-{}.{}", image.kind, args.format.extension()));
        let mut sink = Sink::open(Some(&path))?;
        sink.write_all(&rendered(image, args)?)?;
        sink.finish()?;
        print(&format!("{}\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rendered(image: &CutoutBytes, args: &CutoutArgs) -> Result<Vec<u8>> {
    match args.format {
        CutoutFormat::Fits => Ok(image.fits.clone()),
        CutoutFormat::Png => {
            image::png(&image.fits, args.scale.into()).map_err(|e| e.during(format!("the {} image", image.kind)))
        }
    }
}
