//! Plain HTTP to another machine is warned of for as long as it is allowed.

use super::*;

const ADDRESS: &str = "url = \"https://127.0.0.1:9/\"";

impl Bench {
    /// What `status` and the gauge say of channels whose words leave in clear.
    async fn plain(&self) -> (Vec<String>, String) {
        let Response::Status(status) = self.ask(Request::Status {}).await else { panic!() };
        let is_so = |it: &&crate::control::protocol::Attention| it.trouble == Trouble::Plain;
        let told = status.attention.iter().filter(is_so).map(|it| it.subject.clone()).collect();
        self.office.refresh().await;
        let metrics = self.office.metrics();
        let series = "cascade_channel_plain_http{channel=\"province\"} ";
        let gauge = metrics.lines().find_map(|line| line.strip_prefix(series));
        (told, gauge.unwrap_or("none").to_owned())
    }
}

#[tokio::test]
async fn a_channel_in_clear_is_told_until_its_address_is_another() {
    let plain = "url = \"http://10.51.0.9:8080/up\"\nplain_http = true";
    let bench = Bench::start_with(&CONFIGURATION.replacen(ADDRESS, plain, 1)).await;
    assert_eq!(bench.plain().await, (vec!["province".to_owned()], "1".to_owned()));
    bench.rewrite("cascaded.toml", plain, ADDRESS);
    bench.reload().await;
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.plain().await, (Vec::new(), "0".to_owned()));
}
