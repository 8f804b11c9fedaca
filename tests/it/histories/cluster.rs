//! A PostgreSQL of the test's own, which it may crash.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use sea_orm::{ConnectionTrait, Database};

/// Crashes the server and starts it again for each line that it reads. PostgreSQL does not run as root.
const KEEPER: &str = r#"
cd "$(dirname "$PDR_TEST_POSTGRES_DATA")"
as_server=
[ "$(id -u)" -ne 0 ] || as_server='runuser -u postgres --'
echo "$PDR_TEST_POSTGRES_URL"
while read -r _; do
  $as_server "$PDR_TEST_POSTGRES_CTL" restart --mode immediate --wait --silent \
    --pgdata "$PDR_TEST_POSTGRES_DATA" --log server.log >/dev/null 2>&1
  echo "$?"
done
"#;

/// The server. It goes when this is dropped, and when the test is killed.
pub struct Cluster {
    keeper: Child,
    orders: Option<ChildStdin>,
    says: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Cluster {
    /// Starts it.
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let mut keeper = Command::new(script)
            .args(["--", "bash", "-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script is there");
        let orders = keeper.stdin.take().expect("it is piped");
        let mut says = BufReader::new(keeper.stdout.take().expect("it is piped")).lines();
        let url = says.next().expect("it says its address");
        Self {
            keeper,
            orders: Some(orders),
            says,
            url: url.expect("it is text"),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let (_, place) = self.url.rsplit_once('@').expect("it has a password");
        let (address, _) = place.split_once('/').expect("it has a database");
        address.parse().expect("an address")
    }

    /// The URL of a database of it, by way of `address`. No TLS is tried.
    pub fn url(&self, address: SocketAddr, database: &str) -> String {
        let (who, _) = self.url.rsplit_once('@').expect("it has a password");
        format!("{who}@{address}/{database}?sslmode=disable")
    }

    /// Makes empty databases.
    pub async fn create(&self, databases: &[&str]) {
        let admin = Database::connect(&self.url).await.expect("it runs");
        for name in databases {
            let create = format!("CREATE DATABASE {name}");
            let created = admin.execute_unprepared(&create).await;
            created.expect("there is none yet");
        }
        admin.close().await.expect("nothing is pending");
    }

    /// Ends it as a crash does, and starts it again.
    pub fn crash(&mut self) {
        let orders = self.orders.as_mut().expect("it runs");
        writeln!(orders, "crash").expect("it is kept");
        let done = self.says.next().expect("it is kept").expect("it is text");
        assert_eq!(done, "0", "it did not start again");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The keeper ends with its orders, and the script removes the server.
        self.orders = None;
        let _ = self.keeper.wait();
    }
}
