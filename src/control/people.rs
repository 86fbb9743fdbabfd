//! Who somebody is on this machine: the name of a user, and the groups that roles are given to.
//!
//! The kernel says who is at the other end of the socket; names and members of groups come from
//! the machine's own files, read anew each time, so that whoever leaves a group loses its role at
//! once. People whom only a directory service knows have the group that the kernel names with them
//! (`sg GROUP`, or their first group), and no other.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Peer;
use super::protocol::{Guard, Role};

/// No such file is longer.
const LONGEST: u64 = 4 << 20;

/// Which groups have which roles, and what takes two people.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoleSettings {
    /// Whose members act; none: whoever the socket lets in.
    pub operators: Option<String>,
    /// Whose members approve; none: operators.
    pub approvers: Option<String>,
    /// Whose members look at the record of acts and do nothing else; none: operators look at it.
    pub auditors: Option<String>,
    /// What takes two people.
    pub two_people: BTreeSet<Guard>,
}

impl RoleSettings {
    /// Whether groups have to be looked up at all.
    fn names_groups(&self) -> bool {
        self.operators.is_some() || self.approvers.is_some() || self.auditors.is_some()
    }
}

/// Somebody who asks for something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// As the kernel says.
    pub peer: Peer,
    /// The user's name; empty where the machine knows none.
    pub name: String,
    /// What they may be.
    pub roles: BTreeSet<Role>,
}

impl Person {
    /// The roles as one word for the record.
    pub fn roles_named(&self) -> String {
        self.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("+")
    }
}

/// The machine's users and groups.
#[derive(Clone, Debug)]
pub struct People {
    passwd: PathBuf,
    group: PathBuf,
}

impl Default for People {
    fn default() -> Self {
        Self::at(Path::new("/etc"))
    }
}

impl People {
    /// Those of the files `passwd` and `group` in this folder.
    pub fn at(folder: &Path) -> Self {
        Self { passwd: folder.join("passwd"), group: folder.join("group") }
    }

    /// Who this is, and what they may be. Reads files: blocking work.
    ///
    /// A file that cannot be read gives nobody a role.
    pub fn person(&self, peer: Peer, settings: &RoleSettings) -> Person {
        let users = read(&self.passwd).unwrap_or_default();
        let user = users.lines().filter_map(User::parse).find(|user| user.uid == peer.uid);
        let name = user.as_ref().map(|user| user.name.to_owned()).unwrap_or_default();
        let groups = if settings.names_groups() { read(&self.group) } else { Some(String::new()) };
        let Some(groups) = groups else {
            // Not even who is an auditor is known.
            let roles = if peer.uid == 0 { Role::ALL.into() } else { [Role::Reader].into() };
            return Person { peer, name, roles };
        };
        let is_member = |wanted: &str| {
            groups.lines().filter_map(Group::parse).filter(|group| group.name == wanted).any(
                |group| {
                    group.gid == peer.gid
                        || user
                            .as_ref()
                            .is_some_and(|user| user.gid == group.gid || group.has(user.name))
                },
            )
        };
        Person { peer, name, roles: roles(peer.uid, settings, is_member) }
    }

    /// The groups of these settings that the machine does not have.
    pub fn missing(&self, settings: &RoleSettings) -> Vec<String> {
        let groups = read(&self.group).unwrap_or_default();
        let named = [&settings.operators, &settings.approvers, &settings.auditors];
        let has = |wanted: &str| {
            groups.lines().filter_map(Group::parse).any(|group| group.name == wanted)
        };
        named.into_iter().flatten().filter(|name| !has(name)).cloned().collect()
    }
}

/// What a user may be. Root is everything. An auditor is a reader beside it and nothing else: who
/// looks at what others did does nothing that others would have to look at.
fn roles(uid: u32, settings: &RoleSettings, is_member: impl Fn(&str) -> bool) -> BTreeSet<Role> {
    if uid == 0 {
        return Role::ALL.into();
    }
    if settings.auditors.as_deref().is_some_and(&is_member) {
        return [Role::Reader, Role::Auditor].into();
    }
    let mut roles = BTreeSet::from([Role::Reader]);
    let is_operator = settings.operators.as_deref().is_none_or(&is_member);
    if is_operator {
        roles.insert(Role::Operator);
    }
    if settings.approvers.as_deref().map_or(is_operator, &is_member) {
        roles.insert(Role::Approver);
    }
    if is_operator && settings.auditors.is_none() {
        roles.insert(Role::Auditor);
    }
    roles
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    if let Err(error) = read {
        tracing::warn!(%error, path = %path.display(), "users or groups cannot be read");
        return None;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

struct User<'t> {
    name: &'t str,
    uid: u32,
    gid: u32,
}

impl<'t> User<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some(Self { name, uid, gid: fields.next()?.parse().ok()? })
    }
}

struct Group<'t> {
    name: &'t str,
    gid: u32,
    members: &'t str,
}

impl<'t> Group<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Self { name, gid, members: fields.next().unwrap_or_default() })
    }

    fn has(&self, user: &str) -> bool {
        self.members.split(',').any(|member| member.trim() == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nli:x:1001:100::/:/bin/sh\n\
        wang:x:1002:100::/:/bin/sh\nzhao:x:1003:100::/:/bin/sh\nbroken\nchen:x:1004:73::/:/bin/sh\n";
    const GROUP: &str =
        "root:x:0:\nusers:x:100:\nop:x:71:li,chen\nyes:x:72:wang, chen\nsee:x:73:zhao\n";

    fn people() -> (tempfile::TempDir, People) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("passwd"), PASSWD).unwrap();
        std::fs::write(folder.path().join("group"), GROUP).unwrap();
        let people = People::at(folder.path());
        (folder, people)
    }

    fn settings(names: [Option<&str>; 3]) -> RoleSettings {
        let [operators, approvers, auditors] = names.map(|name| name.map(str::to_owned));
        RoleSettings { operators, approvers, auditors, two_people: BTreeSet::new() }
    }

    fn roles_of(uid: u32, gid: u32, names: [Option<&str>; 3]) -> String {
        let (_folder, people) = people();
        people.person(Peer { uid, gid, pid: None }, &settings(names)).roles_named()
    }

    #[test]
    fn groups_give_roles_and_whoever_is_in_none_reads() {
        let all = [Some("op"), Some("yes"), Some("see")];
        assert_eq!(roles_of(0, 0, all), "reader+operator+approver+auditor");
        assert_eq!(roles_of(1001, 100, all), "reader+operator");
        assert_eq!(roles_of(1002, 100, all), "reader+approver");
        assert_eq!(roles_of(1003, 100, all), "reader+auditor");
        assert_eq!(roles_of(1999, 100, all), "reader");
        // The kernel's word on the process counts as well as the file's on the user.
        assert_eq!(roles_of(1999, 72, all), "reader+approver");
    }

    #[test]
    fn an_auditor_is_never_anything_else() {
        // Also by the first group of the user.
        assert_eq!(roles_of(1004, 100, [Some("op"), Some("yes"), Some("see")]), "reader+auditor");
        assert_eq!(roles_of(1003, 100, [None, None, Some("see")]), "reader+auditor");
    }

    #[test]
    fn a_role_without_a_group_is_the_operators_and_theirs_is_everybodys() {
        assert_eq!(roles_of(1999, 100, [None; 3]), "reader+operator+approver+auditor");
        assert_eq!(
            roles_of(1001, 100, [Some("op"), None, None]),
            "reader+operator+approver+auditor"
        );
        assert_eq!(roles_of(1002, 100, [Some("op"), None, None]), "reader");
        assert_eq!(
            roles_of(1002, 100, [None, Some("yes"), None]),
            "reader+operator+approver+auditor"
        );
        assert_eq!(roles_of(1001, 100, [None, Some("yes"), None]), "reader+operator+auditor");
    }

    #[test]
    fn a_group_that_is_not_there_and_files_that_are_not_give_nobody_anything() {
        assert_eq!(roles_of(1001, 100, [Some("nobody"), None, None]), "reader");
        let people = People::at(Path::new("/nonexistent"));
        let person = people
            .person(Peer { uid: 1001, gid: 71, pid: None }, &settings([Some("op"), None, None]));
        assert_eq!((person.name.as_str(), person.roles_named().as_str()), ("", "reader"));
        let (_folder, people) = self::people();
        assert_eq!(people.missing(&settings([Some("op"), Some("none"), None])), ["none"]);
    }
}
