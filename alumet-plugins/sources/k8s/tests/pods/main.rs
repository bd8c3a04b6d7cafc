//! Pods, and servers that do what servers do.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

mod agent;
mod real;
mod server;
mod trial;

use std::fs;
use std::time::{Duration, Instant};

use alumet_relay_protocol::certs;
use serde_json::json;

use agent::{Agent, group, pod, uid, wait};
use server::{Server, Step, free_address, silent_listener};

/// With a token in a file, which is removed with the folder.
fn token(token: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, token).unwrap();
    let config = format!("token_retrieval.file = '{}'\n", file.display());
    (folder, config)
}

#[test]
fn one_list_and_one_watch_name_all_pods_those_that_come_later_included() {
    let (server, (_folder, config)) = (Server::start(), token("secret\n"));
    server.wants("secret");
    server.has(vec![pod(1, "first")]);
    let agent = Agent::start(&server.url(), &config);
    agent.make(&group(&uid(1)), 0);
    agent.wait_for_name(&uid(1), "first");
    agent.wait("a watch", || server.watches() == 1);
    for number in 2..22 {
        server.add(pod(number, &format!("web-{number}")));
        agent.make(&group(&uid(number)), 0);
    }
    for number in 2..22 {
        agent.wait_for_name(&uid(number), &format!("web-{number}"));
    }
    let requests = server.requests();
    assert_eq!(server.counts(), (1, 1), "{requests:?}");
    let pods = "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1";
    assert_eq!(requests[0].path, format!("{pods}&resourceVersion=0"));
    let watch = format!("{pods}&watch=1&allowWatchBookmarks=true&resourceVersion=100&timeoutSeconds=");
    assert!(requests[1].path.starts_with(&watch), "{requests:?}");
    assert!(
        requests
            .iter()
            .all(|request| request.authorization == "Bearer secret")
    );
    assert_eq!(agent.values("node", &[]), ["n1"]);
}

#[test]
fn a_pod_is_billed_from_its_first_moment_and_renamed_when_the_watch_tells() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let agent = Agent::start(&server.url(), &config);
    agent.wait("a watch", || server.watches() == 1);
    agent.poll();
    let path = group(&uid(1));
    agent.make(&path, 300);
    agent.wait_for_group(&path);
    assert_eq!(agent.values("name", &[]), [""; 0]);
    agent.poll();
    agent.wait("a reason", || agent.reasons() == ["the pod is not listed yet"]);
    let before = agent.total("cpu_time_delta", &path, false);
    agent.make(&path, 500);
    server.add(pod(1, "web"));
    agent.wait_for_name(&uid(1), "web");
    agent.make(&path, 900);
    agent.poll();
    let both = || before + agent.total("cpu_time_delta", &path, true);
    agent.wait("the whole CPU time", || both() == 900_000);
    assert_eq!(
        agent.total("cpu_time_delta", &path, false),
        before,
        "the series has ended"
    );
    agent.poll();
    agent.wait("no reason", || agent.reasons().is_empty());
}

#[test]
fn what_the_server_has_forgotten_is_listed_anew_and_what_it_knows_is_not() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let agent = Agent::start(&server.url(), &config);
    agent.wait("a watch", || server.watches() == 1);
    // A watch that ends goes on where it was, and a bookmark says where.
    server.bookmark();
    server.step(Step::End);
    agent.wait("another watch", || server.watches() == 1);
    assert_eq!(server.counts(), (1, 2));
    assert!(server.requests()[2].path.contains("&resourceVersion=101&"));
    // So does one that breaks, in the middle of a line.
    server.step(Step::Send("{\"type\": \"ADD".to_owned()));
    server.step(Step::Break);
    server.add(pod(1, "meanwhile"));
    agent.make(&group(&uid(1)), 0);
    agent.wait_for_name(&uid(1), "meanwhile");
    assert_eq!(server.counts(), (1, 3));
    // The server says that it has forgotten, in a line of the watch.
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410, "message": "too old"}});
    server.step(Step::Send(format!("{gone}\n")));
    agent.wait("another list", || server.counts().0 == 2);
}

#[test]
fn a_server_that_has_forgotten_what_is_asked_for_lists_anew() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let agent = Agent::start(&server.url(), &config);
    agent.wait("a watch", || server.watches() == 1);
    server.compacts();
    server.step(Step::End);
    server.has(vec![pod(2, "listed")]);
    agent.make(&group(&uid(2)), 0);
    agent.wait_for_name(&uid(2), "listed");
    assert_eq!(server.counts().0, 2);
}

#[test]
fn a_token_that_was_replaced_is_used_from_then_on() {
    let (server, (folder, config)) = (Server::start(), token("old"));
    server.wants("old");
    let agent = Agent::start(&server.url(), &config);
    agent.wait("a watch", || server.watches() == 1);
    server.wants("new");
    server.add(pod(1, "web"));
    agent.make(&group(&uid(1)), 0);
    // A watch that stands goes on.
    agent.wait_for_name(&uid(1), "web");
    server.step(Step::End);
    agent.wait("a refusal", || server.counts().1 >= 2);
    agent.make(&group(&uid(2)), 0);
    agent.wait("a reason", || {
        agent.poll();
        agent.reasons() == ["the server refuses the token"]
    });
    fs::write(folder.path().join("token"), "new").unwrap();
    server.add(pod(2, "later"));
    agent.wait_for_name(&uid(2), "later");
    assert_eq!(server.counts().0, 1);
    agent.make(&group(&uid(3)), 0);
    agent.wait("no refusal", || {
        agent.poll();
        agent.reasons() == ["the pod is not listed yet"]
    });
}

#[test]
fn a_token_that_is_replaced_in_the_moment_in_which_it_is_used_is_no_failure() {
    let (server, (folder, config)) = (Server::start(), token("old"));
    server.replaces("new", &folder.path().join("token"));
    server.has(vec![pod(1, "web")]);
    let agent = Agent::start(&server.url(), &config);
    agent.make(&group(&uid(1)), 0);
    agent.wait("a name", || {
        agent.poll();
        agent.is_named(&uid(1), "web")
    });
    let tokens: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.authorization)
        .collect();
    assert_eq!(tokens[..2], ["Bearer old", "Bearer new"]);
    let reasons = agent.values("reason", &[]);
    assert!(
        !reasons.contains(&"the server refuses the token".to_owned()),
        "{reasons:?}"
    );
}

#[test]
fn a_server_that_says_nothing_delays_nothing() {
    for names_from in ["api_server", "kubelet"] {
        let ((url, connected), (_folder, config)) = (silent_listener(), token("t"));
        let agent = Agent::start(&url, &format!("{config}names_from = '{names_from}'"));
        for number in 0..5 {
            agent.make(&group(&uid(number)), 0);
            agent.wait_for_group(&group(&uid(number)));
        }
        agent.poll();
        agent.wait("a connection", || connected.lock().len() == 1);
    }
}

#[test]
fn whatever_a_server_answers_pods_are_measured_and_named_once_it_works() {
    let (elsewhere, connected) = silent_listener();
    let status =
        |code: u16| json!({"kind": "Status", "status": "Failure", "code": code, "message": "no"}).to_string();
    let redirect = format!("307 Temporary Redirect\r\nlocation: {elsewhere}/api");
    for (head, body, reason) in [
        ("401 Unauthorized", status(401), "the server refuses the token"),
        (
            "403 Forbidden",
            status(403),
            "the token gives no right to list pods",
        ),
        ("429 Too Many Requests", status(429), "the server is busy"),
        (
            "500 Internal Server Error",
            "no".to_owned(),
            "the server has an error",
        ),
        (
            "503 Service Unavailable",
            String::new(),
            "the server has an error",
        ),
        (
            "404 Not Found",
            "<html>".to_owned(),
            "the answer of the server is not understood",
        ),
        (
            "200 OK",
            "<html>".to_owned(),
            "the answer of the server is not understood",
        ),
        (
            "200 OK",
            status(200),
            "the answer of the server is not understood",
        ),
        (
            "200 OK",
            String::new(),
            "the answer of the server is not understood",
        ),
        (&redirect, String::new(), "the server points to another one"),
    ] {
        let (server, (_folder, config)) = (Server::start(), token("t"));
        server.refuses(head, &body);
        server.has(vec![pod(1, "web")]);
        let agent = Agent::start(&server.url(), &config);
        let path = group(&uid(1));
        agent.make(&path, 0);
        agent.wait_for_group(&path);
        agent.wait(reason, || {
            agent.poll();
            agent.reasons() == [reason]
        });
        server.answers_again();
        agent.wait_for_name(&uid(1), "web");
    }
    assert_eq!(connected.lock().len(), 0, "no token goes elsewhere");
}

#[test]
fn a_line_that_is_nonsense_leads_to_another_list() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let agent = Agent::start(&server.url(), &config);
    agent.wait("a watch", || server.watches() == 1);
    server.has(vec![pod(1, "web")]);
    server.step(Step::Send("{\"type\": 7}\n".to_owned()));
    agent.make(&group(&uid(1)), 0);
    agent.wait_for_name(&uid(1), "web");
    assert_eq!(server.counts().0, 2);
}

#[test]
fn a_watch_that_ends_at_once_is_not_asked_for_again_at_once() {
    let bookmark = json!({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {}}});
    for body in [String::new(), format!("{bookmark}\n")] {
        let (server, (_folder, config)) = (Server::start(), token("t"));
        let _agent = Agent::start(&server.url(), &config);
        wait("a watch", || server.watches() == 1);
        server.refuses("200 OK", &body);
        server.step(Step::End);
        wait("another watch", || server.counts().1 >= 2);
        std::thread::sleep(Duration::from_millis(400));
        assert!(server.counts().1 < 6, "{:?}", server.counts());
    }
}

#[test]
fn agents_that_start_together_do_not_ask_together() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let _agent = Agent::start(&server.url(), &format!("{config}start_spread = '10h'"));
    std::thread::sleep(Duration::from_millis(400));
    assert!(server.requests().is_empty());
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    server.refuses("429 Too Many Requests\r\nretry-after: 3", "");
    let agent = Agent::start(&server.url(), &config);
    agent.wait("a request", || server.counts().0 == 1);
    let began = Instant::now();
    server.answers_again();
    agent.wait("a list", || server.counts().0 == 2);
    assert!(
        began.elapsed() > Duration::from_millis(2500),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_server_that_is_away_at_the_start_or_later_is_found_when_it_is_there() {
    let address = free_address();
    let (_folder, config) = token("t");
    let agent = Agent::start(&format!("http://{address}"), &config);
    let path = group(&uid(1));
    agent.make(&path, 0);
    agent.wait_for_group(&path);
    agent.wait("a reason", || {
        agent.poll();
        agent.reasons() == ["the server cannot be reached"]
    });
    let server = Server::at(&address, None);
    server.add(pod(1, "web"));
    agent.wait_for_name(&uid(1), "web");
}

#[test]
fn pods_of_one_name_are_told_apart_by_their_uid() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let agent = Agent::start(&server.url(), &config);
    agent.wait("a watch", || server.watches() == 1);
    for number in 1..4 {
        server.add(pod(number, "db-0"));
        agent.make(&group(&uid(number)), 0);
        agent.wait_for_name(&uid(number), "db-0");
        server.delete(pod(number, "db-0"));
        agent.root.remove(format!("sys/fs/cgroup{}", group(&uid(number))));
    }
    assert_eq!(agent.values("uid", &[("name", "db-0")]).len(), 3);
    agent.make(&group(&uid(1)), 0);
    agent.wait("nothing is known of what was deleted", || {
        agent.poll();
        agent.reasons() == ["the pod is not listed yet"]
    });
}

#[test]
fn a_static_pod_has_the_name_and_the_uid_of_its_mirror() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let hash = "8a2c9f5e1b7d4c3a9e6f0b1d2c3e4f5a";
    let mut mirror = pod(1, "kube-apiserver-n1");
    mirror["metadata"]["annotations"] =
        json!({"kubernetes.io/config.hash": hash, "kubernetes.io/config.mirror": hash});
    server.has(vec![mirror]);
    let agent = Agent::start(&server.url(), &config);
    agent.make(&group(hash), 0);
    agent.wait_for_name(&uid(1), "kube-apiserver-n1");
}

#[test]
fn every_character_that_the_api_allows_arrives() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let name = format!("{}.a-1", "0".repeat(240));
    let odd = "\u{0}\u{7}\t\r\n\"'\\{}, =\u{e9}\u{1F600}\u{FFFD}\u{2028}";
    let mut odd_pod = pod(1, &name);
    odd_pod["metadata"]["labels"] = json!({"example.org/A_b.c-9": "x_Y.z-0", "empty": ""});
    odd_pod["metadata"]["annotations"] = json!({"note": odd});
    server.has(vec![odd_pod]);
    let config = format!("{config}labels = ['example.org/A_b.c-9', 'empty']\nannotations = ['note']");
    let agent = Agent::start(&server.url(), &config);
    agent.make(&group(&uid(1)), 0);
    agent.wait_for_name(&uid(1), &name);
    assert_eq!(agent.values("annotation_note", &[]), [odd]);
    assert_eq!(agent.values("label_example.org/A_b.c-9", &[]), ["x_Y.z-0"]);
    assert_eq!(agent.values("label_empty", &[]), [""]);
}

#[test]
fn ten_thousand_pods_are_one_list() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    server.has(
        (0..10_000)
            .map(|number| pod(number, &format!("web-{number}")))
            .collect(),
    );
    let agent = Agent::start(&server.url(), &config);
    for number in [0, 5_000, 9_999] {
        agent.make(&group(&uid(number)), 0);
        agent.wait_for_name(&uid(number), &format!("web-{number}"));
    }
    assert_eq!(server.counts().0, 1);
}

#[test]
fn a_server_is_trusted_for_the_authority_beside_the_token_or_one_that_is_named() {
    let (folder, config) = token("secret");
    let folder = folder.path();
    certs::init(&folder.join("certs"), &["127.0.0.1".to_owned()], false).unwrap();
    certs::init(&folder.join("other"), &["127.0.0.1".to_owned()], false).unwrap();
    let ca = folder.join("certs/ca.pem");
    for (tls, is_trusted) in [
        (
            format!("tls.ca = '{}'", folder.join("other/ca.pem").display()),
            false,
        ),
        (format!("tls.ca = '{}'", ca.display()), true),
        ("tls.insecure_skip_verify = true".to_owned(), true),
        ("# the file beside the token".to_owned(), true),
    ] {
        if tls.starts_with('#') {
            fs::copy(&ca, folder.join("ca.crt")).unwrap();
        }
        let server = Server::with_tls(&folder.join("certs"));
        server.has(vec![pod(1, "web")]);
        let agent = Agent::start(&server.url(), &format!("{config}{tls}"));
        agent.make(&group(&uid(1)), 0);
        if is_trusted {
            agent.wait_for_name(&uid(1), "web");
            agent.wait("a watch", || server.watches() == 1);
        } else {
            agent.wait("a reason", || {
                agent.poll();
                agent.reasons() == ["the server is not trusted"]
            });
            assert!(server.requests().is_empty(), "the token was not sent");
        }
    }
}

#[test]
fn a_kubelet_is_asked_only_when_a_pod_has_no_name() {
    let (server, (_folder, config)) = (Server::start(), token("secret"));
    server.wants("secret");
    server.has(vec![pod(1, "first"), pod(2, "second")]);
    let agent = Agent::start(
        &server.url(),
        &format!("{config}names_from = 'kubelet'\nstart_spread = '10h'"),
    );
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.requests().is_empty(), "there is no pod");
    agent.make(&group(&uid(1)), 0);
    agent.wait_for_name(&uid(1), "first");
    agent.make(&group(&uid(2)), 0);
    agent.wait_for_name(&uid(2), "second");
    let asked = server.requests();
    assert_eq!(asked.len(), 1, "the answer had both: {asked:?}");
    assert_eq!(asked[0].path, "/pods");
    agent.make(&group(&uid(3)), 0);
    wait("another question", || server.requests().len() == 2);
    server.add(pod(3, "third"));
    agent.poll();
    agent.wait_for_name(&uid(3), "third");
    // A few polls later it is still not asked about what it does not know.
    agent.make(&group(&uid(4)), 0);
    for _ in 0..20 {
        agent.poll();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.requests().len() <= 6, "{:?}", server.requests().len());
}

#[test]
fn containers_have_their_names_and_pods_are_not_counted_twice() {
    let (server, (_folder, config)) = (Server::start(), token("t"));
    let id = "a".repeat(64);
    let agent = Agent::start(
        &server.url(),
        &format!("{config}annotate_containers = true\nlegacy_metrics = true"),
    );
    agent.wait("a watch", || server.watches() == 1);
    agent.poll();
    let (whole, part) = (
        group(&uid(1)),
        format!("{}/cri-containerd-{id}.scope", group(&uid(1))),
    );
    agent.make(&whole, 7);
    agent.make(&part, 5);
    agent.wait_for_group(&part);
    assert_eq!(agent.values("container", &[]), [&*id]);
    let mut pod = pod(1, "web");
    server.add(pod.clone());
    agent.wait_for_name(&uid(1), "web");
    pod["status"]["containerStatuses"] =
        json!([{"name": "server", "containerID": format!("containerd://{id}")}]);
    server.add(pod);
    agent.wait("a name", || {
        agent
            .values("container", &[("name", "web")])
            .contains(&"server".to_owned())
    });
    let bare = |path: &str| {
        let samples = agent.samples();
        let mut of_group = samples
            .iter()
            .filter(|sample| sample.series.consumer().id() == path);
        of_group.all(|sample| sample.series.attributes().get("container").is_none())
    };
    assert!(bare(&whole) && !bare(&part));
    // The old names are for pods, and in microseconds.
    let old =
        |path| agent.total("total_usage_usec", path, false) + agent.total("total_usage_usec", path, true);
    agent.wait("old names", || old(&whole) == 7);
    assert_eq!(old(&part), 0);
}
