//! labctl: two routers, their links, their traffic and their faults in private network namespaces.
//!
//! It judges syncd and links no line of it. A scenario becomes a plan, the plan a lab, the lab a record, the record a
//! verdict; see each room. This file only chooses the verb and the exit code. Tested in `labctl/tests/`.

mod actors;
mod apply;
mod arguments;
mod bench;
mod ending;
mod faults;
mod lab;
mod link;
mod papers;
mod plan;
mod poll;
mod probes;
mod programs;
mod report;
mod sandbox;
mod scenario;
mod session;
mod snapshot;
mod traffic;
mod verbs;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use scenario::Mistakes;

fn main() -> ExitCode {
    // clap itself ends with 2 and its own words on wrong usage.
    let arguments = Arguments::parse();
    match verbs::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Of several mistakes each has a line of its own, as editors read them.
            let between = if error.is::<Mistakes>() { '\n' } else { ' ' };
            eprintln!("labctl:{between}{error:#}");
            ExitCode::from(ending::exit_code(&error))
        }
    }
}
