//! Debian's Chromium without a screen, in a folder and a process group of its own.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the browser came to: the document as it stands after loading, and what it complained of.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) document: String,
    pub(crate) complaints: String,
}

/// In which light, language and size somebody looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) dark: bool,
    pub(crate) language: &'static str,
    pub(crate) width: u32,
}

impl Look {
    pub(crate) const DESK: Self = Self { dark: false, language: "zh-CN", width: 1400 };
}

/// Loads an address and gives the document.
pub(crate) fn load(address: SocketAddr, path: &str, look: Look) -> Loaded {
    run(look, &["--dump-dom", &format!("http://{address}{path}")])
}

/// What a page comes to in a frame of this width: how wide its content is, the colour behind it,
/// and how many elements it has. The frame is ours and has no policy, so it may measure.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Measured {
    pub(crate) content_width: u32,
    pub(crate) background: String,
    pub(crate) scripts: u32,
    pub(crate) elements: u32,
}

pub(crate) fn measure(page: &str, look: Look) -> Measured {
    let folder = tempfile::Builder::new().prefix("cascaded-frame-").tempdir().unwrap();
    std::fs::write(folder.path().join("page.html"), page).unwrap();
    let frame = format!(
        "<!doctype html><meta charset=\"utf-8\"><iframe id=\"f\" width=\"{}\" height=\"900\" \
         style=\"border:0\" src=\"page.html\"></iframe><p id=\"m\"></p><script>\
         onload=()=>{{const d=document.getElementById('f').contentDocument;\
         const s=getComputedStyle(d.body).backgroundColor;\
         document.getElementById('m').textContent=[d.documentElement.scrollWidth,\
         d.querySelectorAll('script,img,object,iframe,form,[onerror],[onload]').length,\
         d.querySelectorAll('*').length,s].join('|')}}</script>",
        look.width
    );
    let outer = folder.path().join("frame.html");
    std::fs::write(&outer, frame).unwrap();
    let address = format!("file://{}", outer.display());
    let wide = Look { width: look.width + 100, ..look };
    let loaded = run(wide, &["--allow-file-access-from-files", "--dump-dom", &address]);
    let text = loaded.document.split("id=\"m\">").nth(1).unwrap_or_default();
    let text = text.split('<').next().unwrap_or_default();
    let parts: Vec<&str> = text.splitn(4, '|').collect();
    let &[content_width, scripts, elements, background] = parts.as_slice() else {
        panic!("nothing was measured: {loaded:?}")
    };
    Measured {
        content_width: content_width.parse().unwrap(),
        scripts: scripts.parse().unwrap(),
        elements: elements.parse().unwrap(),
        background: background.to_owned(),
    }
}

/// Takes a picture of a file or an address.
pub(crate) fn picture(address: &str, look: Look, height: u32, into: &Path) {
    let size = format!("--window-size={},{height}", look.width);
    run(look, &[&size, &format!("--screenshot={}", into.display()), address]);
    assert!(into.is_file(), "no picture of {address}");
}

/// How many sheets of paper a page comes to.
pub(crate) fn sheets(page: &str) -> usize {
    let folder = tempfile::Builder::new().prefix("cascaded-print-").tempdir().unwrap();
    let [file, paper] = ["page.html", "page.pdf"].map(|name| folder.path().join(name));
    std::fs::write(&file, page).unwrap();
    let print = format!("--print-to-pdf={}", paper.display());
    run(Look::DESK, &["--no-pdf-header-footer", &print, &format!("file://{}", file.display())]);
    let printed = std::fs::read(&paper).unwrap();
    printed.split(|byte| *byte == b'\n').filter(|line| line.ends_with(b"/Type /Page")).count()
}

fn run(look: Look, arguments: &[&str]) -> Loaded {
    let home = tempfile::Builder::new().prefix("cascaded-browser-").tempdir().unwrap();
    let scheme = if look.dark { "0" } else { "1" };
    let child = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-crash-reporter", "--disable-breakpad"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
        ])
        .args(["--enable-logging=stderr", "--timeout=20000"])
        .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
        .arg(format!("--accept-lang={}", look.language))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--window-size={},1000", look.width))
        .args(arguments)
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("Debian's package chromium is installed by tests/run");
    let group = format!("-{}", child.id());
    let output = child.wait_with_output().unwrap();
    // Its helpers are of its group and end with it; should one not, it ends here.
    drop(Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status());
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {complaints}", output.status);
    Loaded { document: String::from_utf8(output.stdout).unwrap(), complaints }
}
