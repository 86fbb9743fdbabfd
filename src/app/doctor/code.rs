//! Everything that `doctor` can find wrong: one closed list.
//!
//! The order is that in which an operator repairs: what stands earlier is often the cause of what
//! stands later, so the first finding is the one to begin with. README and manual show this table;
//! a test holds them to it.

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something will not work.
    Bad,
    /// It works, and somebody should know.
    Warning,
    /// It is as it should be.
    Good,
}

/// What is known of a code, in English and in Chinese.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Stable: `D-…`.
    pub word: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong.
    pub title: [&'static str; 2],
    /// What to do next.
    pub next: [&'static str; 2],
}

macro_rules! codes {
    ($($name:ident $word:literal $severity:ident
       [$en:literal $zh:literal] [$next:literal $next_zh:literal];)*) => {
        /// Something that `doctor` can find wrong.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum Code {
            $(#[doc = $en] $name,)*
        }

        impl Code {
            /// Every code, in the order in which one repairs.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What is known of it.
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$name => &Entry {
                        word: $word,
                        severity: Severity::$severity,
                        title: [$en, $zh],
                        next: [$next, $next_zh],
                    },)*
                }
            }
        }
    };
}

codes! {
    // The configuration, and what it names.
    ConfigUnreadable "D-CONFIG-UNREADABLE" Bad
        ["the configuration file cannot be read" "配置文件无法读取"]
        ["mend the file at the line named; the path is that of `--config`" "按所指行改正；路径即 `--config` 所指"];
    ConfigWritable "D-CONFIG-WRITABLE" Bad
        ["others may write the configuration file" "其他用户可改写配置文件"]
        ["chmod 0640, owned by root, group of the daemon" "chmod 0640，属主 root，属组为守护进程的组"];
    Standard "D-STANDARD" Bad
        ["a standard cannot be used" "标准无法使用"]
        ["`cascaded standard list` lists those that can; mend the directory or the name" "`cascaded standard list` 列出可用标准；改正目录或名称"];
    SecretMissing "D-SECRET-MISSING" Bad
        ["a file of a secret is not there or cannot be read" "密钥文件不存在或无法读取"]
        ["put the secret there, 0600, owned by the user who runs the daemon" "放置该文件，权限 0600，属主为运行守护进程的用户"];
    SecretEmpty "D-SECRET-EMPTY" Bad
        ["a file of a secret is empty" "密钥文件是空的"]
        ["write the secret into it" "把密钥写入该文件"];
    SecretExposed "D-SECRET-EXPOSED" Bad
        ["others can read a secret" "其他用户可读取密钥"]
        ["chmod 0600, owned by the user who runs the daemon; have the secret replaced if others use this machine" "chmod 0600，属主为运行守护进程的用户；若机器有他人使用，应更换密钥"];
    SecretForm "D-SECRET-FORM" Bad
        ["a secret has characters that editors leave behind" "密钥文件带有编辑器留下的字符"]
        ["write it again without a byte order mark, blanks at its ends or further lines: `printf %s` does" "重写该文件，去掉字节序标记、首尾空格和多余的行：可用 `printf %s`"];
    SecretKey "D-SECRET-KEY" Bad
        ["a key is not of the kind that is needed" "密钥不是所需的种类"]
        ["the message says the form that is wanted; ledger.key_file is 32 bytes or 64 hexadecimal digits" "按提示的形式提供；ledger.key_file 为 32 字节或 64 位十六进制"];
    Credentials "D-CREDENTIALS" Bad
        ["the standard asks for credentials that are not configured" "缺少标准要求的凭据"]
        ["name a file for each in `[channel.province.credentials]`" "在 `[channel.province.credentials]` 中逐项写明文件"];
    Calendar "D-CALENDAR" Bad
        ["the calendar cannot be used" "工作日历无法使用"]
        ["name a readable file as `calendar`; config/calendar/cn.toml shows the form" "`calendar` 指向可读的文件；格式见 config/calendar/cn.toml"];
    CodeTable "D-CODE-TABLE" Bad
        ["a code table cannot be used" "代码表无法使用"]
        ["mend the file at the line named: head row `code,title,from,until`" "按所指行改正：表头为 `code,title,from,until`"];
    Indicator "D-INDICATOR" Bad
        ["the scheme or a list by which months are judged cannot be used" "考核方案或清单无法使用"]
        ["mend the file and line named in `[indicator]`" "按所指文件和行改正 `[indicator]`"];
    FileMissing "D-FILE-MISSING" Bad
        ["a file or folder of a source is not there" "数据源的文件或目录不存在"]
        ["mend the path, or mount what it leads to" "改正路径，或挂载所指的目录"];
    Config "D-CONFIG" Bad
        ["the configuration is wrong here" "此处配置有误"]
        ["correct it; `cascaded check` tells every mistake at once" "改正；`cascaded check` 一次列出全部错误"];

    // This machine.
    LedgerFolder "D-LEDGER-FOLDER" Bad
        ["the ledger's folder cannot be made or written" "台账目录无法创建或写入"]
        ["make it, owned by the user who runs the daemon, 0700" "建立该目录，属主为运行守护进程的用户，权限 0700"];
    LedgerReadOnly "D-LEDGER-READ-ONLY" Bad
        ["the ledger's file system is mounted read-only" "台账所在文件系统为只读"]
        ["mount it for writing, or name another folder" "改为可写挂载，或另指目录"];
    LedgerOwner "D-LEDGER-OWNER" Bad
        ["files of the ledger belong to somebody else than their folder" "台账文件与其目录属主不同"]
        ["the daemon was once run as another user: chown the files to the folder's owner" "曾以其他用户运行过：将文件属主改为目录属主"];
    LedgerMemory "D-LEDGER-MEMORY" Bad
        ["the ledger lies in memory and is gone at the next boot" "台账位于内存文件系统，重启即丢失"]
        ["name a folder on a disk, such as /var/lib/cascaded" "改用磁盘上的目录，例如 /var/lib/cascaded"];
    LedgerNetwork "D-LEDGER-NETWORK" Bad
        ["the ledger lies on a network file system, whose locks cannot be relied on" "台账位于网络文件系统，其文件锁不可靠"]
        ["name a folder on a disk of this machine" "改用本机磁盘上的目录"];
    DiskFull "D-DISK-FULL" Bad
        ["the disk is full" "磁盘已满"]
        ["make room before the daemon starts" "启动前先腾出空间"];
    DiskInodes "D-DISK-INODES" Bad
        ["the file system has hardly an inode left" "文件系统的 inode 即将用尽"]
        ["remove files, or name a folder on another file system" "清理文件，或改用其他文件系统"];
    DiskRoom "D-DISK-ROOM" Bad
        ["the disk has no room for what the spool may still take" "磁盘余量小于待发区上限"]
        ["make room, or lower ledger.spool_bytes" "腾出空间，或调小 ledger.spool_bytes"];
    Socket "D-SOCKET" Bad
        ["the control socket cannot be made there" "控制套接字无法建立"]
        ["an absolute path of at most 90 bytes in a folder that the daemon may write, such as /run/cascaded" "用不超过 90 字节的绝对路径，位于守护进程可写的目录，例如 /run/cascaded"];
    PortTaken "D-PORT-TAKEN" Bad
        ["somebody else listens at control.http" "control.http 端口已被占用"]
        ["choose another port; `ss -ltnp` shows who listens" "另选端口；`ss -ltnp` 可查占用者"];
    PortAddress "D-PORT-ADDRESS" Bad
        ["control.http is no address of this machine" "control.http 不是本机地址"]
        ["use an address of this machine, best 127.0.0.1" "使用本机地址，最好是 127.0.0.1"];
    SourceAddress "D-SOURCE-ADDRESS" Bad
        ["`source_address` is no address of this machine" "`source_address` 不是本机地址"]
        ["use one that `ip address` shows, or leave it out" "改为 `ip address` 所列地址，或去掉该项"];

    // The way to the platform.
    Address "D-ADDRESS" Bad
        ["the platform's address cannot be used" "省平台地址无法使用"]
        ["the message says what is wrong with `url`, `via` or `proxy`" "按提示改正 `url`、`via` 或 `proxy`"];
    Dns "D-DNS" Bad
        ["the name has no address" "域名无法解析"]
        ["compare it letter by letter with the province's document; ask for the resolver inside the government network, or put the name into /etc/hosts" "与省里文件逐字核对；向网络部门要政务网内的 DNS，或写入 /etc/hosts"];
    DnsSilent "D-DNS-SILENT" Bad
        ["the resolver does not answer" "DNS 服务器不应答"]
        ["check the servers in /etc/resolv.conf and the firewall for port 53" "检查 /etc/resolv.conf 所列服务器及防火墙 53 端口"];
    DnsAddress "D-DNS-ADDRESS" Bad
        ["the address is none at which a platform can be" "所得地址不可能是省平台"]
        ["an address filled in by a resolver, a proxy or a template: ask the province for the real one" "多为 DNS、代理或模板填入的假地址：向省里索取真实地址"];
    Refused "D-REFUSED" Bad
        ["the machine is there and nobody listens at the port" "对方主机可达，但端口无人监听"]
        ["compare the port with the province's document; ask whether the service runs" "与省里文件核对端口；询问服务是否已启动"];
    Unreachable "D-UNREACHABLE" Bad
        ["there is no route to the address" "没有到该地址的路由"]
        ["`ip route get` the address: the leased line or the VPN is down, or a route is missing" "用 `ip route get` 查该地址：专线或 VPN 未通，或缺少路由"];
    ConnectSilent "D-CONNECT-SILENT" Bad
        ["nobody answers at the address" "连接无应答"]
        ["a firewall drops it: ask for this machine's address, and source_address, to be let through" "多为防火墙丢弃：申请放行本机地址（含 source_address）"];
    Gateway "D-GATEWAY" Bad
        ["the gateway on this machine (`via`) does not answer" "本机网关（`via`）无应答"]
        ["start it (stunnel, a web server with 国密) and compare its port with `via`" "启动网关（stunnel 或支持国密的 Web 服务器），并核对 `via` 的端口"];
    ProxyUnreachable "D-PROXY-UNREACHABLE" Bad
        ["the proxy cannot be reached" "代理无法连接"]
        ["compare `proxy` with what the network's people say" "与网络部门核对 `proxy`"];
    ProxyCredentials "D-PROXY-CREDENTIALS" Bad
        ["the proxy wants other credentials" "代理要求凭据或凭据不对"]
        ["`user:password` in proxy_credentials_file" "在 proxy_credentials_file 中写入 `user:password`"];
    ProxyForbids "D-PROXY-FORBIDS" Bad
        ["the proxy does not let us through to the platform" "代理不允许连接省平台"]
        ["have the platform's name and port allowed on the proxy, or leave `proxy` out" "在代理上放行省平台的域名和端口，或去掉 `proxy`"];
    TlsPlain "D-TLS-PLAIN" Bad
        ["plain HTTP is spoken at this port, not TLS" "该端口是明文 HTTP，不是 TLS"]
        ["use the https port; where there is none, lead it through a gateway on this machine (`via`), or inside the government network only say `plain_http = true` with an `http` address" "改用 https 端口；没有时经本机网关（`via`）转发，或仅限政务网内用 `http` 地址并写明 `plain_http = true`"];
    TlsOther "D-TLS-OTHER" Bad
        ["something else than TLS is spoken at this port" "该端口不是 TLS 服务"]
        ["compare the port with the province's document" "与省里文件核对端口"];
    TlsSilent "D-TLS-SILENT" Bad
        ["the connection stands and the TLS handshake gets no answer" "连接已建立，TLS 握手无应答"]
        ["something on the way lets connections through and swallows them, or the address must be made known there first" "中间设备放行连接却吞掉内容，或须先登记本机地址"];
    TlsCut "D-TLS-CUT" Bad
        ["the TLS handshake is cut off" "TLS 握手被切断"]
        ["something on the way inspects TLS, or the name is refused: ask the network's people" "中间设备检查 TLS 或拒绝该域名：询问网络部门"];
    TlsOld "D-TLS-OLD" Bad
        ["the other side speaks only a version of TLS that nobody should speak any more" "对方只支持过时的 TLS 版本"]
        ["ask for TLS 1.2 or 1.3; until then a gateway on this machine speaks it: `via`" "请对方启用 TLS 1.2 或 1.3；此前由本机网关代为转换：`via`"];
    TlsCiphers "D-TLS-CIPHERS" Bad
        ["the other side offers only ciphers without forward secrecy or known to be broken" "对方只提供不具前向保密或已被攻破的密码套件"]
        ["ask for ECDHE with AES-GCM; until then a gateway on this machine speaks them: `via`" "请对方启用 ECDHE 与 AES-GCM；此前由本机网关代为转换：`via`"];
    TlsShangmi "D-TLS-SHANGMI" Bad
        ["the other side speaks only the commercial ciphers' TLCP (国密)" "对方只支持国密 TLCP"]
        ["a gateway on this machine built with 国密 speaks it: `via`" "由本机支持国密的网关代为转换：`via`"];
    TlsRefused "D-TLS-REFUSED" Bad
        ["the other side refuses the TLS handshake" "对方拒绝 TLS 握手"]
        ["the alert says why; ask the province what its gateway expects" "告警说明了原因；询问省里网关的要求"];
    HttpIsTls "D-HTTP-IS-TLS" Bad
        ["TLS is spoken at this port, and the address says `http`" "该端口是 TLS，而地址写的是 `http`"]
        ["write `https` and take `plain_http` out" "改为 `https`，并去掉 `plain_http`"];
    Clock "D-CLOCK" Bad
        ["the platform's clock and ours are too far apart" "本机时钟与省平台相差过大"]
        ["set the time and keep it: chrony or timesyncd with the network's time server; signatures and certificates depend on it" "校时并保持同步：用 chrony 或 timesyncd 对接网内时间服务器；签名与证书都依赖时间"];
    CertFile "D-CA-FILE" Bad
        ["the certificates to trust cannot be read" "ca_file 无法使用"]
        ["the province's root in PEM, beginning with -----BEGIN CERTIFICATE-----" "应为省里根证书的 PEM 文件，以 -----BEGIN CERTIFICATE----- 开头"];
    CertExpired "D-CERT-EXPIRED" Bad
        ["the platform's certificate has ended" "省平台证书已过期"]
        ["the province must renew it; trust nothing else meanwhile" "须由省里更新；期间不要改信其他证书"];
    CertEarly "D-CERT-EARLY" Bad
        ["the platform's certificate is not valid yet" "省平台证书尚未生效"]
        ["compare this machine's date first; then ask the province" "先核对本机日期，再询问省里"];
    CertName "D-CERT-NAME" Bad
        ["the platform's certificate is for another name" "省平台证书的名称与地址不符"]
        ["use the name that the certificate has as `url` (with /etc/hosts where the resolver lacks it)" "`url` 改用证书中的域名（DNS 没有时写入 /etc/hosts）"];
    CertSelfSigned "D-CERT-SELF-SIGNED" Bad
        ["the platform's certificate is signed by itself and by nobody we trust" "省平台证书为自签名且不受信任"]
        ["have it confirmed by a second way (telephone, letter), then name it as ca_file" "经另一途径（电话、公函）核实后，作为 ca_file"];
    CertChain "D-CERT-CHAIN" Bad
        ["the platform does not show the certificate between its own and the root" "省平台未出示中间证书"]
        ["ask the province to send the whole chain; until then add the intermediate to ca_file" "请省里补全证书链；此前把中间证书加入 ca_file"];
    CertAuthority "D-CERT-AUTHORITY" Bad
        ["the platform's certificate is by an authority that we do not trust" "省平台证书的签发机构不受信任"]
        ["get that authority's root from the province and name it as ca_file; an inspecting proxy shows its own" "向省里索取该机构的根证书作为 ca_file；若为检查流量的代理，则出示的是它自己的证书"];
    CertWeak "D-CERT-WEAK" Bad
        ["the platform's certificate is too weak" "省平台证书强度不足"]
        ["ask for RSA of 2048 bits or P-256, signed with SHA-256; until then `via`" "请更换为 RSA 2048 位或 P-256、SHA-256 签名；此前用 `via`"];
    CertUntrusted "D-CERT-UNTRUSTED" Bad
        ["the platform's certificate is not trusted" "省平台证书不受信任"]
        ["the reason is named; compare ca_file with what the province gave" "原因见提示；核对 ca_file 与省里所给证书"];
    CertEnds "D-CERT-ENDS" Bad
        ["a certificate ends soon" "证书即将到期"]
        ["ask for a new one now: it takes weeks" "现在就申请新证书：通常需要数周"];
    TrustExpired "D-CA-EXPIRED" Bad
        ["a certificate that we trust has ended" "信任的根证书已过期"]
        ["get the new root from the province" "向省里索取新的根证书"];
    ClientFile "D-CLIENT-FILE" Bad
        ["our certificate or its key cannot be read" "本方证书或私钥无法使用"]
        ["PEM both, the key unencrypted and 0600; a .pfx is unpacked with `openssl pkcs12`" "两者均为 PEM，私钥不加密、权限 0600；.pfx 用 `openssl pkcs12` 解开"];
    ClientKey "D-CLIENT-KEY" Bad
        ["our key is not that of our certificate" "本方私钥与证书不匹配"]
        ["name the key that the request for this certificate was made with" "改用申请该证书时所用的私钥"];
    ClientExpired "D-CLIENT-EXPIRED" Bad
        ["our certificate has ended" "本方证书已过期"]
        ["ask the province for a new one" "向省里申请新证书"];
    ClientEarly "D-CLIENT-EARLY" Bad
        ["our certificate is not valid yet" "本方证书尚未生效"]
        ["compare this machine's date; otherwise wait or ask" "核对本机日期；否则等待或询问"];
    ClientUse "D-CLIENT-USE" Bad
        ["our certificate is not one for clients" "本方证书不能用于客户端"]
        ["ask for one with the purpose clientAuth" "申请用途含 clientAuth 的证书"];
    ClientWanted "D-CLIENT-WANTED" Bad
        ["the platform wants a certificate of ours and none is configured" "省平台要求客户端证书，而未配置"]
        ["name client_certificate_file and client_key_file" "写明 client_certificate_file 与 client_key_file"];
    ClientRefused "D-CLIENT-REFUSED" Bad
        ["the platform does not accept our certificate" "省平台不接受本方证书"]
        ["ask whether it is enrolled there, and by which authority it must be" "询问是否已登记，以及须由哪个机构签发"];

    // What the platform says.
    PlatformCaptive "D-PLATFORM-CAPTIVE" Bad
        ["a page for people came instead of an answer" "返回的是网页而不是接口应答"]
        ["a login page of the network, a firewall's notice, or the portal's address instead of the interface's" "多为网络认证页、防火墙拦截页，或把门户地址当成了接口地址"];
    PlatformCredentials "D-PLATFORM-CREDENTIALS" Bad
        ["the platform refuses our credentials" "省平台拒绝凭据"]
        ["compare each file with what the province gave; ask whether the account is enabled" "逐个核对凭据文件；询问账号是否已启用"];
    PlatformPath "D-PLATFORM-PATH" Bad
        ["nothing is at this path of the platform" "省平台没有该路径"]
        ["compare the prefix in `url` with the province's document" "与省里文件核对 `url` 的路径前缀"];
    PlatformBusy "D-PLATFORM-BUSY" Bad
        ["the platform is there and cannot serve us now" "省平台可达但暂不能服务"]
        ["ask later; if it stays, ask the province" "稍后再试；持续则询问省里"];
    PlatformSilent "D-PLATFORM-SILENT" Bad
        ["the platform took the question and sent no whole answer" "省平台收到请求但没有完整应答"]
        ["the code says where it broke; check `timeout`, and what stands between" "代码说明中断之处；检查 `timeout` 与中间设备"];
    PlatformWord "D-PLATFORM-WORD" Bad
        ["the platform answers something that the standard does not know" "省平台的应答不在标准之内"]
        ["compare the standard's version with the platform's; `cascaded standard drift` lists what a running daemon met" "核对标准版本与省平台；`cascaded standard drift` 列出运行中遇到的差异"];

    // The city's databases, and front tables.
    DatabaseSilent "D-DB-SILENT" Bad
        ["the database cannot be reached" "数据库无法连接"]
        ["compare host and port; ask whether the server listens on its network address and the firewall lets us through" "核对主机与端口；确认服务监听网络地址且防火墙放行"];
    DatabaseLogin "D-DB-LOGIN" Bad
        ["the database refuses the account" "数据库拒绝账号"]
        ["compare user and password_file; the account may be locked or ended" "核对用户名与 password_file；账号可能被锁定或过期"];
    DatabaseDoor "D-DB-DOOR" Bad
        ["the database lets nobody in from this machine" "数据库不允许本机登录"]
        ["its administrator adds this machine (pg_hba.conf, or the account's host)" "请管理员放行本机（pg_hba.conf，或账号的主机部分）"];
    DatabaseName "D-DB-NAME" Bad
        ["there is no such database" "没有这个数据库"]
        ["compare the last part of `url`" "核对 `url` 的最后一段"];
    DatabaseFull "D-DB-FULL" Bad
        ["the database has no session left for us" "数据库连接数已满"]
        ["its administrator raises the limit of the account or of the server" "请管理员提高账号或服务器的连接数上限"];
    DatabaseTls "D-DB-TLS" Bad
        ["no encrypted session with the database" "无法与数据库建立加密会话"]
        ["ca_file must be the server's authority; leave it out where the server has no TLS" "ca_file 须为服务器证书的签发者；服务器未启用 TLS 时去掉该项"];
    DatabaseSchema "D-DB-SCHEMA" Bad
        ["there is no such schema" "没有这个模式（schema）"]
        ["compare the part before the dot in `table`" "核对 `table` 中点号前的部分"];
    DatabaseTable "D-DB-TABLE" Bad
        ["there is no such table" "没有这张表"]
        ["compare `table`; write schema.table where it is not in the account's search path" "核对 `table`；不在搜索路径中时写成 模式.表"];
    DatabaseColumn "D-DB-COLUMN" Bad
        ["a column is not there" "缺少列"]
        ["compare `columns` with the table; the message lists what there is" "与表核对 `columns`；提示列出了现有列"];
    DatabaseRight "D-DB-RIGHT" Bad
        ["the account may not read it" "账号没有读取权限"]
        ["GRANT SELECT on the table (and USAGE on its schema) to the account" "授予账号该表的 SELECT（及模式的 USAGE）权限"];
    DatabaseQuery "D-DB-QUERY" Bad
        ["the dataset's query is not understood" "数据集的查询语句有误"]
        ["try it with the account in the database's own client" "用该账号在数据库客户端中试运行"];
    DatabaseType "D-DB-TYPE" Bad
        ["a column is of another type than declared" "列的类型与声明不符"]
        ["correct `type` or `format`, or cast it in a query" "改正 `type` 或 `format`，或在查询中转换"];
    DatabaseOther "D-DB" Bad
        ["the source does not give what the dataset declares" "数据源给不出数据集所声明的内容"]
        ["the message says why" "原因见提示"];
    CatalogueEmpty "D-CATALOGUE-EMPTY" Bad
        ["the catalogue has no object" "目录中没有任何对象"]
        ["compare each `[[catalogue.part]]` with the sheet or table it names: nothing would be registered" "逐个核对 `[[catalogue.part]]` 与所指表格：否则什么都不会登记"];
    FrontTable "D-FRONT-TABLE" Bad
        ["the front database lacks a table" "前置库缺少表"]
        ["ask the province to make it; compare its name with the resource's" "请省里建表；核对表名与资源"];
    FrontColumn "D-FRONT-COLUMN" Bad
        ["a front table lacks a column" "前置表缺少列"]
        ["ask the province to add it, or leave it out of the dataset" "请省里补列，或从数据集中去掉"];
    FrontRight "D-FRONT-RIGHT" Bad
        ["the account may not write a front table" "账号对前置表没有写权限"]
        ["ask the province for SELECT, INSERT and UPDATE on it" "请省里授予该表的 SELECT、INSERT、UPDATE 权限"];
    Interface "D-INTERFACE" Bad
        ["an interface of the city does not answer as configured" "接口未按配置应答"]
        ["check the service, its address, certificates and expected status" "检查该服务及其地址、证书和预期状态码"];
    InterfaceUnlisted "D-INTERFACE-UNLISTED" Bad
        ["no obligation names the interface's resource" "责任清单中没有该接口的资源"]
        ["it is watched and changes no score: name it in obligations.csv" "只监测、不计入得分：请在 obligations.csv 中写明"];
    FerryFolder "D-FERRY-FOLDER" Bad
        ["a ferry's folder lacks `in` or `out`" "摆渡文件夹缺少 `in` 或 `out`"]
        ["make both, or mount the gap's shares there, owned by the user who runs the daemon" "建立两个目录或挂载网闸的共享目录，属主为运行守护进程的用户"];
    FerryGap "D-FERRY-GAP" Bad
        ["a number of a ferry is missed, and what came after it waits" "摆渡缺号，其后的文件都在等待"]
        ["`cascaded ferry list` names it; put the file down `again` at the sender, or `skip` the number here" "`cascaded ferry list` 列出缺号；在发送一侧用 `again` 重放，或在此用 `skip` 跳过"];
    FerrySilent "D-FERRY-SILENT" Bad
        ["what a ferry carried away has had no answer for too long" "摆渡过去的请求久未答复"]
        ["see whether the gap still empties `out` and fills `in`, then to the service on the other side" "查网闸是否仍在取走 `out`、填入 `in`，再查对侧的服务"];
    Candidate "D-CANDIDATE" Bad
        ["the candidate is not prepared" "候选标准尚未就绪"]
        ["`[channel.candidate]` names the way and the test platform; `standard check` names what is missing" "在 `[channel.candidate]` 写明地址与测试平台；`standard check` 逐项列出尚缺"];
    Late "D-LATE" Bad
        ["something is past its deadline" "有事项已超期"]
        ["`cascaded status` says who is awaited" "`cascaded status` 列出在等谁"];

    // What works, and somebody should know.
    CalendarEnded "D-CALENDAR-ENDED" Bad
        ["the calendar has no official year for today" "工作日历没有今年"]
        ["enter the State Council's notice: until then deadlines are counted without holidays, as provisional" "录入国务院办公厅通知：此前按周一至周五暂算"];
    CodesEnded "D-CODES-ENDED" Bad
        ["no code of a code table is in force today" "代码表中没有现行代码"]
        ["get the table that is in force: every row would be rejected" "换用现行代码表：否则每行都会被拒绝"];
    CodesEmpty "D-CODES-EMPTY" Bad
        ["a code table is empty" "代码表是空的"]
        ["fill it: every row would be rejected" "补全代码表：否则每行都会被拒绝"];
    CatalogueCells "D-CATALOGUE-CELLS" Warning
        ["the catalogue has cells that cannot be taken as they are" "目录中有无法采用的单元格"]
        ["mend them where they are kept; each is logged with its place when the daemon reads them" "在来源处改正；服务读取时逐处记入日志"];
    CodesTwice "D-CODES-TWICE" Warning
        ["a code stands more than once for the same days" "代码表中有重复代码"]
        ["take the doubled lines out: nobody knows which title is meant" "去掉重复行：否则含义不明"];
    CalendarEnds "D-CALENDAR-ENDS" Warning
        ["the calendar ends with this year" "工作日历到今年为止"]
        ["enter the State Council's notice for next year (it comes in November)" "录入明年的放假通知（通常十一月发布）"];
    CalendarNone "D-CALENDAR-NONE" Warning
        ["no calendar is configured" "未配置工作日历"]
        ["name config/calendar/cn.toml as `calendar`: deadlines are counted without holidays, as provisional" "将 config/calendar/cn.toml 配为 `calendar`：否则按周一至周五暂算"];
    PlainHttp "D-PLAIN-HTTP" Warning
        ["what is said to the platform leaves this machine in clear" "与省平台的通信未加密"]
        ["ask for https, or lead it through a gateway on this machine (`via`)" "申请启用 https，或经本机网关（`via`）转发"];
    ProxyEnvironment "D-PROXY-ENVIRONMENT" Warning
        ["the environment names a proxy, which the daemon never uses" "环境变量中有代理，守护进程不使用"]
        ["where the platform is only reached through it, name it as `proxy` of the channel" "若必须经代理访问省平台，请写入通道的 `proxy`"];
    DatabaseSuperuser "D-DB-SUPERUSER" Warning
        ["the account is the database's administrator" "数据库账号是管理员"]
        ["use an account that may only read what is carried" "改用只读账号"];
    DatabaseWrites "D-DB-WRITES" Warning
        ["the account may write the tables that it only reads" "账号对只读的表有写权限"]
        ["take INSERT, UPDATE, DELETE from it: the daemon never needs them" "收回 INSERT、UPDATE、DELETE 权限：守护进程不需要"];
    DatabaseEncoding "D-DB-ENCODING" Warning
        ["the database does not check how characters are written" "数据库不校验字符编码"]
        ["rows that are not UTF-8 are malformed: have it moved to UTF8" "非 UTF-8 的行会成为坏行：请迁移到 UTF8"];
    DatabaseKey "D-DB-KEY" Warning
        ["nothing in the table keeps the key unique" "表中没有约束保证主键唯一"]
        ["add a unique index, or name the columns that are one; of repeated keys one row is sent" "建唯一索引，或改用真正唯一的列；重复主键只发送一行"];
    DatabaseKeyNull "D-DB-KEY-NULL" Warning
        ["a column of the key may be null" "主键列允许为空"]
        ["have it declared NOT NULL: rows without a key cannot be carried" "请设为 NOT NULL：没有主键的行无法上送"];
    DatabaseIndex "D-DB-INDEX" Warning
        ["the time column has no index" "时间列没有索引"]
        ["add one: every look reads the whole table" "请建索引：否则每次都要读全表"];
    ClockUnsynchronised "D-CLOCK-UNSYNCHRONISED" Warning
        ["no service that keeps this machine's time was found" "未发现时间同步服务"]
        ["install chrony or enable systemd-timesyncd; a virtual machine's host may keep the time instead" "安装 chrony 或启用 systemd-timesyncd；也可能由虚拟机宿主校时"];
    ClockZone "D-CLOCK-ZONE" Warning
        ["this machine's time zone is not China's" "本机时区不是中国标准时间"]
        ["`timedatectl set-timezone Asia/Shanghai`: logs and people then say the same time" "`timedatectl set-timezone Asia/Shanghai`：日志与人说的时间一致"];
    Memory "D-MEMORY" Warning
        ["this machine or the service has little memory" "内存偏小"]
        ["1 GiB for the daemon is comfortable; see MemoryMax of the unit" "建议为守护进程留 1 GiB；见单元文件的 MemoryMax"];
    Root "D-ROOT" Warning
        ["this command runs as root, so rights of the daemon's user were not tried" "本命令以 root 运行，未能验证守护进程用户的权限"]
        ["`sudo -u cascaded` before it tries them" "在命令前加 `sudo -u cascaded` 再试"];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_stable_in_form_and_says_what_and_what_next_in_both_languages() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.entry().word).collect();
        assert_eq!(words.len(), Code::ALL.len(), "a code stands twice");
        for code in Code::ALL {
            let Entry { word, title, next, .. } = code.entry();
            let form = |letter: char| letter.is_ascii_uppercase() || letter == '-';
            assert!(word.starts_with("D-") && word.chars().all(form), "{word}");
            for [en, zh] in [title, next] {
                assert!(!en.is_empty() && !en.ends_with('.'), "{word}: {en}");
                assert!(!zh.is_ascii() && !zh.ends_with('。'), "{word}: {zh}");
            }
        }
    }
}
