//! The tray's pictures, one shape per state.

use companion_core::tray::TrayIcon;

/// A picture in RGBA, rows from the top.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgba: Vec<u8>,
}

macro_rules! picture {
    ($state:literal, $size:literal) => {
        include_bytes!(concat!("../../../icons/tray/", $state, "-", $size, ".png")).as_slice()
    };
}

/// The same picture in every size that trays ask for.
pub(crate) fn pictures(icon: TrayIcon) -> Vec<Picture> {
    let files = match icon {
        TrayIcon::Ready => [picture!("ready", "22"), picture!("ready", "44")],
        TrayIcon::Connecting => [picture!("connecting", "22"), picture!("connecting", "44")],
        TrayIcon::NeedsYou => [picture!("needs_you", "22"), picture!("needs_you", "44")],
        TrayIcon::Trouble => [picture!("trouble", "22"), picture!("trouble", "44")],
        TrayIcon::Offline => [picture!("offline", "22"), picture!("offline", "44")],
        TrayIcon::Paused => [picture!("paused", "22"), picture!("paused", "44")],
    };
    files.into_iter().filter_map(decode).collect()
}

fn decode(file: &[u8]) -> Option<Picture> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let mut rgba = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut rgba).ok()?;
    (frame.color_type == png::ColorType::Rgba).then_some(Picture {
        width: frame.width,
        height: frame.height,
        rgba,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_picture_in_both_sizes() {
        let states = [
            TrayIcon::Ready,
            TrayIcon::Connecting,
            TrayIcon::NeedsYou,
            TrayIcon::Trouble,
            TrayIcon::Offline,
            TrayIcon::Paused,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for state in states {
            let sizes: Vec<_> = pictures(state)
                .into_iter()
                .map(|picture| (picture.width, picture.rgba))
                .collect();
            assert_eq!(
                sizes.iter().map(|(width, _)| *width).collect::<Vec<_>>(),
                [22, 44],
                "{state:?}"
            );
            // the shape alone, without colour, must tell the states apart
            let shape: Vec<bool> = sizes[0]
                .1
                .chunks_exact(4)
                .map(|pixel| pixel[3] > 128)
                .collect();
            assert!(seen.insert(shape), "{state:?} looks like another state");
        }
    }
}
