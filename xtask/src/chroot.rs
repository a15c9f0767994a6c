//! A Debian unstable system in a folder, with the compilers for Windows and macOS and with Wine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::{apt, platform, shell};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const PACKAGES: [&str; 8] = [
    "rustc",
    "cargo",
    "rust-src",
    "gcc-mingw-w64-x86-64",
    "gcc",
    "libc6-dev",
    "pkg-config",
    "wine64",
];
/// Stands in for the C compiler of a system whose headers are not here: a type check looks into no object file.
const STUB_CC: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then : >"$2"; exit 0; fi
  shift
done
"#;
const STUB_AR: &str = r#"#!/bin/sh
for file; do
  case $file in *.a) printf '!<arch>\n' >"$file" ;; esac
done
"#;

/// The chroot, with the project at `/project` and a target directory of its own at `/target`.
#[derive(Debug)]
pub(crate) struct Chroot {
    enter: PathBuf,
    launchers: PathBuf,
}

impl Chroot {
    /// Makes the chroot once per machine and the scripts that enter it for this checkout.
    pub(crate) fn prepare() -> Result<Self> {
        if !apt::is_here() || !shell::is_root() {
            bail!(
                "building for Windows and macOS makes a Debian chroot: start this as root on Debian"
            );
        }
        apt::install(&[apt::CHROOT])?;
        let cache = shell::cache_directory("claw-companion-cross")?;
        let target = shell::target_directory()?.join("cross");
        create(&target)?;
        let root = cache.join("root");
        let contents = PACKAGES.join(" ");
        if fs::read_to_string(root.join("contents")).ok().as_deref() != Some(&contents) {
            let unfinished = cache.join("unfinished");
            install(&unfinished, &target)?;
            write(&unfinished.join("contents"), &contents)?;
            remove(&root)?;
            fs::rename(&unfinished, &root)
                .with_context(|| format!("cannot move {}", unfinished.display()))?;
        }
        follow_host(&root)?;
        let chroot = Self {
            enter: target.join("enter"),
            launchers: target.join("launchers"),
        };
        write_script(&chroot.enter, &enter_script(&root, &target)?)?;
        create(&chroot.launchers)?;
        Ok(chroot)
    }

    /// A command that runs inside, in the project.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.enter);
        command.arg(program);
        command
    }

    /// A program outside that runs this one, which is for Windows and stands inside, under Wine.
    pub(crate) fn launcher(&self, program: &Path) -> Result<PathBuf> {
        let name = program.file_stem().context("a program has a name")?;
        let launcher = self.launchers.join(name);
        write_script(
            &launcher,
            &format!(
                "#!/bin/sh\nexport WINEDEBUG=\"${{WINEDEBUG:--all}}\"\nexec {} wine64 {} \"$@\"\n",
                quoted(&self.enter)?,
                quoted(program)?,
            ),
        )?;
        Ok(launcher)
    }
}

fn install(root: &Path, target: &Path) -> Result<()> {
    println!("Making a Debian chroot of about 3 GB for Windows and macOS, once per machine");
    remove(root)?;
    create(root)?;
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args([
        "--variant=minbase",
        "--force-check-gpg",
        "--include=ca-certificates",
    ]);
    shell::run(
        debootstrap
            .arg(format!("--keyring={KEYRING}"))
            .arg("sid")
            .arg(root)
            .arg(mirror()?),
    )?;
    write(&root.join("etc/apt/apt.conf.d/99host"), &host_settings()?)?;
    follow_host(root)?;
    for folder in ["project", "target"] {
        create(&root.join(folder))?;
    }
    for (name, text) in [("stub-cc", STUB_CC), ("stub-ar", STUB_AR)] {
        write_script(&root.join("usr/local/bin").join(name), text)?;
    }
    let enter = target.join("enter-unfinished");
    write_script(&enter, &enter_script(root, target)?)?;
    shell::run(Command::new(&enter).args(["apt-get", "update", "-qq"]))?;
    let mut packages = Command::new(&enter);
    packages.env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(
        packages
            .args([
                "apt-get",
                "install",
                "-y",
                "-qq",
                "-o",
                "Dpkg::Use-Pty=0",
                "--no-install-recommends",
            ])
            .args(PACKAGES),
    )?;
    shell::run(Command::new(&enter).args(["apt-get", "clean"]))?;
    fs::remove_file(&enter).with_context(|| format!("cannot remove {}", enter.display()))
}

/// The mirror this machine installs its own packages from.
fn mirror() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(LABEL) $(REPO_URI)",
        "Identifier: Packages",
    ]);
    let targets = shell::output(&mut targets)?;
    let uri = targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian "));
    uri.map(String::from)
        .context("apt knows no Debian mirror, which the chroot comes from")
}

/// How this machine reaches its mirror: proxies and what it does not check of a snapshot.
fn host_settings() -> Result<String> {
    let settings = shell::output(Command::new("apt-config").args(["dump", "Acquire"]))?;
    let wanted = [
        "Acquire::Check-",
        "Acquire::http",
        "Acquire::https",
        "Acquire::Retries",
    ];
    let lines = settings
        .lines()
        .filter(|line| wanted.iter().any(|prefix| line.starts_with(prefix)));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

/// Gives the chroot the host's name servers, certificates and cargo configuration.
fn follow_host(root: &Path) -> Result<()> {
    copy(Path::new("/etc/resolv.conf"), &root.join("etc/resolv.conf"))?;
    copy(&Path::new("/").join(CERTIFICATES), &root.join(CERTIFICATES))?;
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    let configuration = cargo_home
        .context("no home directory is known")?
        .join("config.toml");
    create(&root.join("root/.cargo"))?;
    copy(&configuration, &root.join("root/.cargo/config.toml"))
}

/// The mounts stand in a namespace of the command's own, so they vanish with it however it ends.
fn enter_script(root: &Path, target: &Path) -> Result<String> {
    let project = env::current_dir().context("the project's folder is gone")?;
    Ok(format!(
        r#"#!/bin/sh
exec unshare --mount --propagation private sh -euc '
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind /tmp "$1/tmp"
mount --bind "$2" "$1/project"
mount --bind "$3" "$1/target"
root=$1
shift 3
exec chroot "$root" env --chdir=/project --unset=CARGO --unset=CARGO_HOME --unset=RUSTUP_HOME \
  HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
' enter {} {} {} "$@"
"#,
        quoted(root)?,
        quoted(&project)?,
        quoted(target)?,
    ))
}

fn quoted(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("{} is not text", path.display()))?;
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        fs::copy(from, to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn write_script(path: &Path, text: &str) -> Result<()> {
    write(path, text)?;
    platform::make_executable(path)
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_quote_stays_one_word_of_the_shell() {
        assert_eq!(quoted(Path::new("/a b/it's")).unwrap(), r"'/a b/it'\''s'");
    }

    #[test]
    fn the_commands_own_arguments_come_after_the_folders() {
        let script = enter_script(Path::new("/root"), Path::new("/target")).unwrap();
        assert!(script.contains("enter '/root' '"));
        assert!(script.ends_with("'/target' \"$@\"\n"));
    }
}
