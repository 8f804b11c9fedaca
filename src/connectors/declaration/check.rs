//! Whether what a declaration names is there.

use crate::connectors::{answer::Verdict, task::Kind, template::Name};

use super::{
    limits::STEPS_MAX,
    model::{
        Action, Authentication, Body, Call, Calls, Declaration, FieldSource, FinishHow,
        JsonTemplate, OAuth2, Program, Range, Service, Step,
    },
    problem::Problem,
};

/// Everything that a declaration names and that is not there.
pub(super) fn check(declaration: &Declaration) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Service::Calls(calls) = &declaration.service {
        check_secrets(calls, &mut problems);
        for (_, value) in &calls.headers {
            check_names(value.names(), &[], calls, "headers", &mut problems);
        }
        for (kind, program) in &calls.tasks {
            let path = format!("tasks.{kind}");
            check_program(program, calls, &path, &mut problems);
            let is_hidden = matches!(program.finish.how, FinishHow::Suppressed { .. });
            if is_hidden && *kind != Kind::Erase {
                let what = "must not be `suppressed`: only an erasure has a first stage";
                problems.push(Problem::new(format!("{path}.finish.outcome"), what));
            }
            if program.may_take_more && *kind != Kind::Erase {
                let what = "must not be set: only an erasure takes anything away";
                problems.push(Problem::new(format!("{path}.may_take_more"), what));
            }
        }
    }
    for kind in declaration.kinds() {
        if declaration.leaves.contains(&kind) {
            let what = format!("must not name `{kind}`, which is declared here");
            problems.push(Problem::new("leaves", what));
        }
    }
    problems
}

fn check_secrets(calls: &Calls, problems: &mut Vec<Problem>) {
    let named: Vec<&String> = match &calls.authentication {
        Authentication::None => Vec::new(),
        Authentication::Bearer { token } => vec![token],
        Authentication::Basic { user, password } => {
            std::iter::once(user).chain(password.as_ref()).collect()
        }
        Authentication::OAuth2(OAuth2 {
            client_id,
            client_secret,
            refresh_token,
            token_url,
            ..
        }) => {
            check_names(
                token_url.names(),
                &[],
                calls,
                "authentication.token_url",
                problems,
            );
            let given = [client_id, client_secret].into_iter();
            given.chain(refresh_token.as_ref()).collect()
        }
    };
    for name in &named {
        if !calls.secrets.contains_key(*name) {
            let what = format!("names `{name}`, which is not under `secrets`");
            problems.push(Problem::new("authentication", what));
        }
    }
    for name in calls.secrets.keys().filter(|name| !named.contains(name)) {
        let what = "is a secret that the authentication does not use";
        problems.push(Problem::new(format!("secrets.{name}"), what));
    }
}

fn check_program(program: &Program, calls: &Calls, path: &str, problems: &mut Vec<Problem>) {
    if program.steps.is_empty() || program.steps.len() > STEPS_MAX {
        let what = format!("must have 1 to {STEPS_MAX} steps");
        problems.push(Problem::new(format!("{path}.steps"), what));
    }
    for (index, step) in program.steps.iter().enumerate() {
        let path = format!("{path}.steps[{index}]");
        if program.steps[..index]
            .iter()
            .any(|before| before.name == step.name)
        {
            let what = format!("is the second step with the name `{}`", step.name);
            problems.push(Problem::new(&path, what));
        }
        check_step(
            step,
            &program.steps[..index],
            program,
            calls,
            &path,
            problems,
        );
    }
    if let Some((list, field)) = &program.finish.evidence {
        check_field(
            list,
            field,
            program,
            &format!("{path}.finish.evidence"),
            problems,
        );
    }
}

fn check_step(
    step: &Step,
    before: &[Step],
    program: &Program,
    calls: &Calls,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    match &step.action {
        Action::Wait(wait) => {
            if let Some((list, field)) = &wait.after {
                check_field(
                    list,
                    field,
                    program,
                    &format!("{path}.wait.after"),
                    problems,
                );
            }
        }
        Action::Call(call) => {
            check_ranges(call, program, calls, path, problems);
            check_collect(call, program, path, problems);
            check_call_names(call, program, calls, path, problems);
            check_answers(call, path, problems);
            check_look(call, program, calls, path, problems);
            let known = |name: &String| before.iter().any(|step| step.name == *name);
            if call
                .resume_at
                .as_ref()
                .is_some_and(|name| !known(name) && *name != step.name)
            {
                let what = "must name this step or one before it";
                problems.push(Problem::new(format!("{path}.resume_at"), what));
            }
        }
    }
}

fn check_field(
    list: &str,
    field: &str,
    program: &Program,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let fields = program.lists.get(list);
    if !fields.is_some_and(|fields| fields.iter().any(|known| known == field)) {
        let what = format!("names `{list}.{field}`, which no step collects");
        problems.push(Problem::new(path, what));
    }
}

fn check_ranges(
    call: &Call,
    program: &Program,
    calls: &Calls,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let mut refuse = |what: String| problems.push(Problem::new(format!("{path}.for_each"), what));
    for (_, range) in &call.for_each {
        match range {
            Range::Identifiers(kind) => {
                if !calls.identifiers.iter().any(|known| known.as_str() == kind) {
                    refuse(format!(
                        "names the identifier type `{kind}`, which is not under `identifiers`"
                    ));
                }
            }
            Range::List(list) => {
                if !program.lists.contains_key(list) {
                    refuse(format!("names the list `{list}`, which no step collects"));
                }
            }
        }
    }
    let is_one_list = matches!(call.for_each.as_slice(), [(_, Range::List(_))]);
    if call.batch.is_some() && !is_one_list {
        refuse("must name one list, since the step has a `batch`".to_owned());
    }
}

fn check_collect(call: &Call, program: &Program, path: &str, problems: &mut Vec<Problem>) {
    for collect in &call.collect {
        let fields = collect.fields.iter().map(|(name, _)| name);
        let listed = program.lists.get(&collect.into);
        if !listed.is_some_and(|listed| listed.iter().eq(fields)) {
            let what = format!(
                "adds rows to `{}` that have other fields than its other rows",
                collect.into
            );
            problems.push(Problem::new(format!("{path}.collect"), what));
        }
    }
}

fn check_call_names(
    call: &Call,
    program: &Program,
    calls: &Calls,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let each: Vec<Name> = call
        .for_each
        .iter()
        .flat_map(|(variable, range)| names_of(variable, range, program))
        .collect();
    // A batch's rows are known to the fields of a form that stand for each of them.
    let outside: &[Name] = if call.batch.is_some() { &[] } else { &each };
    let mut check = |names: Vec<&Name>, bound: &[Name], what: &str| {
        check_names(
            names.into_iter(),
            bound,
            calls,
            &format!("{path}.{what}"),
            problems,
        );
    };
    check(call.url.names().collect(), outside, "url");
    for (_, value) in &call.headers {
        // What names a person has no place in a header, where proxies log it.
        check(value.names().collect(), &[], "headers");
    }
    match &call.body {
        Body::None => {}
        Body::Form(fields) => {
            for field in fields {
                let bound = if field.is_for_each_row {
                    &each
                } else {
                    outside
                };
                let names = field.name.names().chain(field.value.names());
                check(names.collect(), bound, "form");
            }
        }
        Body::Json(json) => check(names_in(json), outside, "json"),
    }
    for collect in &call.collect {
        for (_, source) in &collect.fields {
            if let FieldSource::Template(template) = source {
                check(template.names().collect(), outside, "collect");
            }
        }
    }
}

fn names_of(variable: &str, range: &Range, program: &Program) -> Vec<Name> {
    let name = |field: Option<&String>| Name {
        root: variable.to_owned(),
        field: field.cloned(),
    };
    match range {
        Range::Identifiers(_) => vec![name(None)],
        Range::List(list) => {
            let fields = program.lists.get(list).into_iter().flatten();
            fields.map(|field| name(Some(field))).collect()
        }
    }
}

fn names_in(json: &JsonTemplate) -> Vec<&Name> {
    match json {
        JsonTemplate::Fixed(_) => Vec::new(),
        JsonTemplate::Text(template) => template.names().collect(),
        JsonTemplate::List(list) => list.iter().flat_map(names_in).collect(),
        JsonTemplate::Map(map) => map.iter().flat_map(|(_, json)| names_in(json)).collect(),
    }
}

fn check_names<'a>(
    names: impl Iterator<Item = &'a Name>,
    bound: &[Name],
    calls: &Calls,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    for name in names {
        let known = match (name.root.as_str(), name.field.as_deref()) {
            ("setting", Some(field)) => calls.settings.contains_key(field),
            ("task", Some("id")) | ("call", Some("key")) => true,
            _ => bound.contains(name),
        };
        if !known {
            let what = format!("asks for `{{{name}}}`, which has no value here");
            problems.push(Problem::new(path, what));
        }
    }
}

fn check_answers(call: &Call, path: &str, problems: &mut Vec<Problem>) {
    let has = |verdict: fn(&Verdict) -> bool| call.answers.iter().any(|rule| verdict(&rule.then));
    if !has(|verdict| *verdict == Verdict::Success) {
        let what = "`success` is missing: say which answers mean that it was done";
        problems.push(Problem::new(path, what));
    }
    if has(|verdict| *verdict == Verdict::Pending) != call.poll.is_some() {
        let what = "`pending` and `poll` need one another";
        problems.push(Problem::new(path, what));
    }
    if call.next_page.is_some() && call.is_effect {
        let what = "`next_page` is for calls that change nothing";
        problems.push(Problem::new(path, what));
    }
}

fn check_look(
    call: &Call,
    program: &Program,
    calls: &Calls,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    let Some(look) = &call.look else { return };
    let path = format!("{path}.look");
    let each: Vec<Name> = call
        .for_each
        .iter()
        .flat_map(|(variable, range)| names_of(variable, range, program))
        .collect();
    let outside: &[Name] = if call.batch.is_some() { &[] } else { &each };
    let url = format!("{path}.url");
    check_names(look.url.names(), outside, calls, &url, problems);
    if let Some(name) = look.mentions.iter().find(|name| !each.contains(name)) {
        let what = format!("asks for `{name}`, which is no field of the step's rows");
        problems.push(Problem::new(format!("{path}.mentions"), what));
    }
    let is_success = |verdict: &Verdict| *verdict == Verdict::Success;
    if !look.answers.iter().any(|rule| is_success(&rule.then)) {
        let what = "`success` is missing: say which answers can be looked into";
        problems.push(Problem::new(&path, what));
    }
    if look.mentions.is_none() && look.done.is_empty() {
        let what = "must say by `mentions` or `done` what was made already";
        problems.push(Problem::new(&path, what));
    }
    if !call.is_effect {
        let what = "`look` is for calls that change something";
        problems.push(Problem::new(&path, what));
    }
}
