//! The command line's end of the control socket: one line out, one line back.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::control::protocol::{
    Call, Failure, MAX_RESPONSE_BYTES, Reply, Request, Response, VERSION,
};

use super::text::Message;
use super::{Exit, Trouble};
use crate::language::Language;

/// Longer than the daemon takes to give up on a request.
const ANSWER_DEADLINE: Duration = Duration::from_secs(620);

/// Asks the daemon and gives its answer; a [`Response::Failed`] comes back as trouble.
pub(super) fn ask(
    socket: &Path,
    language: Language,
    request: Request,
) -> Result<Response, Trouble> {
    let say = |message: Message, next: Message, code: &str, temporary: bool| {
        let place = socket.display().to_string();
        Trouble::one(
            if temporary { Exit::Temporary } else { Exit::Failure },
            Failure {
                code: code.to_owned(),
                what: message.say(language, &[&place]),
                place: Some(place),
                next: Some(next.say(language, &[])),
                temporary,
            },
        )
    };
    let cut_off = |_lost| say(Message::CutOff, Message::CutOffNext, "E-CONTROL-CUT", true);
    let mut stream = UnixStream::connect(socket).map_err(|error| {
        if error.kind() == ErrorKind::PermissionDenied {
            say(Message::Denied, Message::DeniedNext, "E-CONTROL-DENIED", false)
        } else {
            let next = Message::NotReachableNext;
            say(Message::NotReachable, next, "E-CONTROL-UNREACHABLE", true)
        }
    })?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE)).map_err(cut_off)?;
    let bad_answer = || say(Message::BadAnswer, Message::BadAnswerNext, "E-CONTROL-ANSWER", false);
    let mut line = serde_json::to_vec(&Call { version: VERSION, request })
        .map_err(|_unwritable| bad_answer())?;
    line.push(b'\n');
    stream.write_all(&line).map_err(cut_off)?;
    line.clear();
    let limit = u64::try_from(MAX_RESPONSE_BYTES).unwrap_or(u64::MAX);
    BufReader::new(stream).take(limit).read_until(b'\n', &mut line).map_err(cut_off)?;
    if line.last() != Some(&b'\n') {
        return Err(say(Message::CutOff, Message::CutOffNext, "E-CONTROL-CUT", true));
    }
    let reply: Reply = serde_json::from_slice(&line).map_err(|_unreadable| bad_answer())?;
    if reply.version != VERSION {
        return Err(bad_answer());
    }
    let Response::Failed(failure) = reply.response else { return Ok(reply.response) };
    Err(refused(failure, language))
}

/// What the daemon said no to; a missing role in the language of whoever asked.
fn refused(mut failure: Failure, language: Language) -> Trouble {
    if failure.code == "E-CONTROL-ROLE" {
        let role = failure.place.take().unwrap_or_default();
        failure.what = Message::RoleNeeded.say(language, &[&role]);
        failure.next = Some(Message::RoleNeededNext.say(language, &[]));
        return Trouble::one(Exit::Refused, failure);
    }
    let exit = if failure.temporary { Exit::Temporary } else { Exit::Failure };
    Trouble::one(exit, failure)
}
