//! The plain way, so that what the other stories break is known to work.

use crate::support::{World, donate, get, id, judge, wait_until};

#[test]
fn donations_are_charged_told_and_committed_and_the_books_agree() {
    let world = World::new(&[]);
    let follower = world.follower();
    let instance = world.start();
    let posts: Vec<_> = (0..40)
        .map(|n| donate(n, &format!("user-{}", n % 8)))
        .collect();
    let places = world.publisher().publish(&posts);

    follower.wait_answered(&places);
    follower.wait_ended(&(0..40).map(id).collect::<Vec<_>>());
    world.broker.wait_committed();
    for path in ["/livez", "/readyz"] {
        let is_well = || (get(instance.admin, path).0 == 200).then_some(());
        wait_until(path, || 0, is_well);
    }
    instance.stop();

    let verdict = judge(&world, &posts, &follower.seen());
    assert!(verdict.ok, "{verdict:#?}");
    world.assert_audit_agrees();
}

#[test]
fn killed_and_started_again_it_goes_on() {
    let world = World::new(&["--latency-ms", "50"]);
    let follower = world.follower();
    let publisher = world.publisher();
    let posts: Vec<_> = (0..60).map(|n| donate(n, &format!("user-{n}"))).collect();
    let instance = world.start();
    let mut places = publisher.publish(&posts[..30]);
    follower.wait("the first end", |seen| seen.outcomes.first().map(|_| ()));
    instance.kill();
    places.extend(publisher.publish(&posts[30..]));
    let instance = world.start();

    follower.wait_answered(&places);
    follower.wait_ended(&(0..60).map(id).collect::<Vec<_>>());
    world.broker.wait_committed();
    instance.stop();
    let verdict = judge(&world, &posts, &follower.seen());
    assert!(verdict.ok, "{verdict:#?}");
    world.assert_audit_agrees();
}
