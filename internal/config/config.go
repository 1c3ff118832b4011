// Package config holds everything that can be set, in one struct, and reads it
// from flags, the environment and a .env file.
//
// Struct tags say all there is to say of a setting: `name` is its flag, `env`
// its environment name, `default` its value where nothing is given, `test` and
// `production` the defaults of those profiles, `min` and `max` (both included)
// and `oneof` what it takes, `help` what it means. The command line, the checks,
// `sheaf config` and docs/configuration.md all come from them.
package config

import "time"

// Config is every setting, read and checked by a Reader.
type Config struct {
	Profile Profile `name:"env" env:"SHEAF_ENV" default:"development" oneof:"development,test,production" group:"General" help:"Profile: sets the defaults, and what is refused."`
	EnvFile string  `name:"env-file" env:"SHEAF_ENV_FILE" default:".env" group:"General" help:"File of NAME=value lines. The environment wins over it; the default file may be missing."`
	Schema  string  `name:"schema" env:"SHEAF_SCHEMA" group:"General" help:"Folder of the schema files."`
	Data    string  `name:"data" env:"SHEAF_DATA" default:".sheaf" test:".sheaf-test" group:"General" help:"Folder of the private mongod's files."`
	Cache   string  `name:"cache" env:"SHEAF_CACHE" computed:"sheaf in the user's cache folder" group:"General" help:"Folder of fetched programs."`

	HTTP         HTTP         `embed:"" group:"HTTP"`
	Auth         Auth         `embed:"" group:"Callers"`
	Transactions Transactions `embed:"" group:"Transactions"`
	MongoDB      MongoDB      `embed:"" group:"MongoDB"`
	Migrations   Migrations   `embed:"" group:"Migrations"`
	Log          Log          `embed:"" group:"Log"`
	Monitoring   Monitoring   `embed:"" group:"Monitoring"`
}

// HTTP is how the service listens, and what one request may take.
type HTTP struct {
	Listen              string        `name:"listen" env:"SHEAF_LISTEN" default:"127.0.0.1:8080" help:"Address to listen on; port 0 takes a free one."`
	BodyLimit           Size          `name:"body-limit" env:"SHEAF_BODY_LIMIT" default:"16MiB" min:"1KiB" max:"48MiB" help:"Largest body of a request. The default is MongoDB's largest document; less saves memory where callers are not trusted."`
	HeaderTimeout       time.Duration `name:"header-timeout" env:"SHEAF_HEADER_TIMEOUT" default:"5s" min:"1ms" max:"1h" help:"Longest wait for the headers of a request."`
	ReadTimeout         time.Duration `name:"read-timeout" env:"SHEAF_READ_TIMEOUT" default:"30s" min:"1ms" max:"1h" help:"Longest wait for a whole request, its body included."`
	TLSCertificate      string        `name:"tls-cert-file" env:"SHEAF_TLS_CERT_FILE" help:"PEM file of the certificate of the service, and of those between it and its authority. It is read again when it changes. Without it the service speaks plain HTTP, for loopback or behind a proxy."`
	TLSKey              string        `name:"tls-key-file" env:"SHEAF_TLS_KEY_FILE" help:"PEM file of the certificate's private key."`
	TrustedProxies      string        `name:"trusted-proxies" env:"SHEAF_TRUSTED_PROXIES" help:"Addresses and networks of proxies, with commas between them, such as 10.0.0.0/8: their X-Forwarded-For says which address a request came from. Nobody else's counts."`
	RequestsMax         int           `name:"requests-max" env:"SHEAF_REQUESTS_MAX" default:"2000" min:"0" max:"1000000" help:"Most requests under way on this instance; more are answered with 503 at once. 0 for no bound."`
	CallerRate          int           `name:"caller-rate" env:"SHEAF_CALLER_RATE" default:"0" min:"0" max:"1000000" help:"Requests a second that each caller may send over time to this instance; 0 for no bound."`
	CallerBurst         int           `name:"caller-burst" env:"SHEAF_CALLER_BURST" default:"100" min:"1" max:"1000000" help:"Requests that a caller may send at once, with SHEAF_CALLER_RATE."`
	AddressRate         int           `name:"address-rate" env:"SHEAF_ADDRESS_RATE" default:"0" min:"0" max:"1000000" help:"Requests a second that each address, of IPv6 each network of 64 bits, may send over time to this instance, whoever asks; 0 for no bound."`
	AddressBurst        int           `name:"address-burst" env:"SHEAF_ADDRESS_BURST" default:"200" min:"1" max:"1000000" help:"Requests that an address may send at once, with SHEAF_ADDRESS_RATE."`
	CORSOrigins         string        `name:"cors-origins" env:"SHEAF_CORS_ORIGINS" help:"Origins whose pages may read answers in browsers, with commas between them, such as https://app.example.com; * for all. Browsers never send credentials by themselves."`
	KeepAliveTimeout    time.Duration `name:"keep-alive-timeout" env:"SHEAF_KEEP_ALIVE_TIMEOUT" default:"2m" min:"1ms" max:"24h" help:"How long a connection between two requests is kept."`
	RequestTimeout      time.Duration `name:"request-timeout" env:"SHEAF_REQUEST_TIMEOUT" default:"10s" min:"1ms" max:"1h" help:"Longest time that a request may take in the service and the database, before it fails with 504."`
	DrainDelay          time.Duration `name:"drain-delay" env:"SHEAF_DRAIN_DELAY" default:"0s" production:"5s" min:"0s" max:"10m" help:"How long a stopping service goes on as before but for /readyz, which fails, and for connections, which are closed after an answer: the time in which load balancers find out, and send requests elsewhere."`
	ShutdownTimeout     time.Duration `name:"shutdown-timeout" env:"SHEAF_SHUTDOWN_TIMEOUT" default:"20s" min:"0s" max:"1h" help:"How long a stopping service waits for the requests under way, once it takes no more of them."`
	ListLimit           int           `name:"list-limit" env:"SHEAF_LIST_LIMIT" default:"20" min:"1" max:"10000" help:"Documents a page of a list where the request names no limit."`
	ListLimitMax        int           `name:"list-limit-max" env:"SHEAF_LIST_LIMIT_MAX" default:"1000" min:"1" max:"10000" help:"Most documents a page that a request may ask for."`
	Unindexed           string        `name:"unindexed" env:"SHEAF_UNINDEXED" default:"warn" production:"allow" oneof:"allow,warn,refuse" help:"What becomes of a list that no index of the schema serves: answer it, log once the index that would serve it, or refuse it."`
	Explain             bool          `name:"explain" env:"SHEAF_EXPLAIN" default:"true" production:"false" help:"Let every caller ask how a list is found, by explain=true; else that is answered with 403."`
	IncludeDepth        int           `name:"include-depth" env:"SHEAF_INCLUDE_DEPTH" default:"3" min:"0" max:"10" help:"Most relations that an include leads through, as comments.author leads through two; 0 refuses every include."`
	IncludeLimit        int           `name:"include-limit" env:"SHEAF_INCLUDE_LIMIT" default:"10000" min:"1" max:"1000000" help:"Most documents that one answer includes. One that is included twice counts twice."`
	IncludeSize         Size          `name:"include-size" env:"SHEAF_INCLUDE_SIZE" default:"16MiB" min:"1KiB" max:"256MiB" help:"Most that the included documents of one answer come to, as BSON."`
	TransfersMax        int           `name:"transfers-max" env:"SHEAF_TRANSFERS_MAX" default:"8" min:"1" max:"1000" help:"Most exports and imports over HTTP under way on this instance; each holds up to some tens of MB."`
	TransferIdleTimeout time.Duration `name:"transfer-idle-timeout" env:"SHEAF_TRANSFER_IDLE_TIMEOUT" default:"30s" min:"100ms" max:"1h" help:"How long an export or import over HTTP waits for its client to take or send more, before it is cut off. The limits of other requests do not bound it."`
	ImportLimit         Size          `name:"import-limit" env:"SHEAF_IMPORT_LIMIT" default:"16GiB" min:"1KiB" max:"1048576GiB" help:"Largest body of an import over HTTP. Each document in it may be as large as the body of another request."`
	RelatedLimit        int           `name:"related-limit" env:"SHEAF_RELATED_LIMIT" default:"10000" min:"1" max:"100000" help:"Most related documents that one condition of a filter may lead over, such as the authors of {\"author\": {\"$is\": …}}."`
}

// Auth is who may call, and how callers prove who they are.
type Auth struct {
	Mode        string        `name:"auth" env:"SHEAF_AUTH" default:"open" production:"required" oneof:"open,required" help:"Whether callers must prove who they are, by an API key of sheaf keys or by a token. Open lets anybody do everything: only on a loopback address, and not in production."`
	PublicDocs  bool          `name:"auth-public-docs" env:"SHEAF_AUTH_PUBLIC_DOCS" default:"true" production:"false" negatable:"" help:"Let anybody read /openapi.json, which describes every collection. /docs shows it, and /problems, /livez and /readyz are open in any case."`
	KeyLifetime time.Duration `name:"auth-key-lifetime" env:"SHEAF_AUTH_KEY_LIFETIME" default:"5s" min:"10ms" max:"5m" help:"How long an instance goes on with what it knows of an API key: within this time it notices that one was revoked or changed."`

	JWTSecret           Secret        `name:"auth-jwt-secret" env:"SHEAF_AUTH_JWT_SECRET" help:"Secret of tokens that are signed with HS256, HS384 or HS512: at least 32 random bytes, 48 and 64 for the latter two."`
	JWTPublicKeys       Secret        `name:"auth-jwt-public-keys" env:"SHEAF_AUTH_JWT_PUBLIC_KEYS" help:"PEM text of the public keys or certificates that verify tokens: RSA, ECDSA or Ed25519; several while the issuer changes keys."`
	JWKSURL             string        `name:"auth-jwks-url" env:"SHEAF_AUTH_JWKS_URL" help:"URL of the JSON Web Key Set of the issuer of tokens. Needs an issuer and an audience, and https but to this machine."`
	JWTIssuer           string        `name:"auth-jwt-issuer" env:"SHEAF_AUTH_JWT_ISSUER" help:"What iss of a token must be."`
	JWTAudience         string        `name:"auth-jwt-audience" env:"SHEAF_AUTH_JWT_AUDIENCE" help:"What aud of a token must name; several with commas between them, of which one is enough."`
	JWTAlgorithms       string        `name:"auth-jwt-algorithms" env:"SHEAF_AUTH_JWT_ALGORITHMS" help:"Algorithms that tokens may be signed with, with commas between them, such as ES256. Without it those that fit the keys."`
	JWTLeeway           time.Duration `name:"auth-jwt-leeway" env:"SHEAF_AUTH_JWT_LEEWAY" default:"30s" min:"0s" max:"10m" help:"How far the clocks of the issuer and the service may be apart."`
	JWTIDClaim          string        `name:"auth-jwt-id-claim" env:"SHEAF_AUTH_JWT_ID_CLAIM" default:"sub" help:"Claim that names the caller; dots lead into objects."`
	JWTRolesClaim       string        `name:"auth-jwt-roles-claim" env:"SHEAF_AUTH_JWT_ROLES_CLAIM" default:"roles" help:"Claim with the roles of the caller, such as realm_access.roles or scope: a list, or text with blanks between them."`
	JWTCollectionsClaim string        `name:"auth-jwt-collections-claim" env:"SHEAF_AUTH_JWT_COLLECTIONS_CLAIM" help:"Claim that lists the collections that the caller may use, in the forms of the roles. A token without it may use none then; while this is not set, every token may use all."`
}

// Transactions is what is kept for requests with keys, and for sessions.
type Transactions struct {
	RetryTime          time.Duration `name:"retry-time" env:"SHEAF_RETRY_TIME" default:"5s" min:"1ms" max:"1m" help:"How long a write or transaction that others are in the way of is tried anew, before it fails with 409. The time limit of the request bounds it too."`
	KeyLifetime        time.Duration `name:"idempotency-lifetime" env:"SHEAF_IDEMPOTENCY_LIFETIME" default:"24h" min:"1m" max:"8760h" help:"How long the answer to a request with an Idempotency-Key is kept."`
	SessionsMax        int           `name:"sessions-max" env:"SHEAF_SESSIONS_MAX" default:"100" min:"1" max:"10000" help:"Most sessions open on this instance."`
	SessionIdleTimeout time.Duration `name:"session-idle-timeout" env:"SHEAF_SESSION_IDLE_TIMEOUT" default:"30s" min:"100ms" max:"24h" help:"How long a session may go unused before it is aborted."`
	SessionLifetime    time.Duration `name:"session-lifetime" env:"SHEAF_SESSION_LIFETIME" default:"50s" min:"100ms" max:"24h" help:"How long a session may be open. Must stay below transactionLifetimeLimitSeconds of MongoDB, which is 60 s unless it was set."`
	Instance           string        `name:"instance" env:"SHEAF_INSTANCE" help:"Name of this instance in the header Sheaf-Instance, by which a load balancer brings the requests of a session to it: letters, digits and - . _ ~. Without it a random one."`
}

// MongoDB is which database to use, and how.
type MongoDB struct {
	URI                    Secret        `name:"mongodb-uri" env:"MONGODB_URI" help:"Connection string. Its options for the pool count where the settings of the pool are not given. Without it a private mongod runs in the data folder, which production refuses."`
	Database               string        `name:"mongodb-database" env:"MONGODB_DATABASE" default:"sheaf" test:"sheaf_test" help:"Name of the database. A name in the connection string takes the place of the default."`
	CAFile                 string        `name:"mongodb-ca-file" env:"SHEAF_MONGODB_CA_FILE" help:"PEM file of the authorities that may sign MongoDB's certificate, in place of the system's. Needs TLS."`
	AllowPlaintext         bool          `name:"allow-plaintext" env:"SHEAF_ALLOW_PLAINTEXT" default:"false" help:"Let production talk to MongoDB without TLS, or without verifying its certificate."`
	Mongod                 string        `name:"mongod" env:"SHEAF_MONGOD" help:"The mongod program to run privately. Without it: mongod on PATH, in the cache, or fetched."`
	PoolMax                int           `name:"pool-max" env:"SHEAF_POOL_MAX" default:"20" min:"1" max:"10000" help:"Most connections to a server."`
	PoolMin                int           `name:"pool-min" env:"SHEAF_POOL_MIN" default:"0" min:"0" max:"10000" help:"Connections to a server that are kept even when idle."`
	PoolIdleTimeout        time.Duration `name:"pool-idle-timeout" env:"SHEAF_POOL_IDLE_TIMEOUT" default:"30s" min:"0s" max:"24h" help:"How long an idle connection is kept; 0s keeps it for ever."`
	PoolConnectionTimeout  time.Duration `name:"pool-connection-timeout" env:"SHEAF_POOL_CONNECTION_TIMEOUT" default:"2s" min:"1ms" max:"1h" help:"Longest time to make a connection."`
	Coalesce               bool          `name:"coalesce" env:"SHEAF_COALESCE" default:"true" negatable:"" help:"Let concurrent requests share commands to MongoDB. Off, each is a command of its own: slower under load, and of use to find out what a request costs."`
	ServerSelectionTimeout time.Duration `name:"server-selection-timeout" env:"SHEAF_SERVER_SELECTION_TIMEOUT" default:"5s" min:"1ms" max:"1h" help:"Longest wait for a server that can take a command, such as a primary after a failover."`
}

// Migrations is where the migration files are, and how they are carried out.
type Migrations struct {
	Mode   string `name:"migrate" env:"SHEAF_MIGRATE" default:"auto" production:"check" oneof:"auto,check,off" help:"What a service does where the database is not as the schema files say: auto carries out the steps that are safe, check refuses to serve from a database that is behind and says what to run, off looks at nothing."`
	Folder string `name:"migrations" env:"SHEAF_MIGRATIONS" default:"migrations" help:"Folder of the migration files."`
	Rate   int    `name:"migrate-rate" env:"SHEAF_MIGRATE_RATE" default:"0" production:"5000" min:"0" max:"1000000" help:"Most documents a second that a step of a migration goes over, so that the service has the database too; 0 for no bound."`
}

// Log is what the service writes to standard error.
type Log struct {
	Format        string        `name:"log-format" env:"SHEAF_LOG_FORMAT" default:"text" production:"json" oneof:"text,json" help:"Form of a log line."`
	Level         string        `name:"log-level" env:"SHEAF_LOG_LEVEL" default:"debug" test:"warn" production:"info" oneof:"debug,info,warn,error" help:"Least level that is written; debug has a line a database command."`
	Audit         string        `name:"audit-log" env:"SHEAF_AUDIT_LOG" default:"off" help:"Where a line goes for every write, and for every request that was denied: off, stderr, or a file that is appended to. It says who asked for what and which documents, never what is in them."`
	SlowThreshold time.Duration `name:"slow-threshold" env:"SHEAF_SLOW_THRESHOLD" default:"100ms" min:"0s" max:"1h" help:"A request or database command that takes this long is logged at warn; 0s for none."`
}

// Monitoring is where operators see how the service does.
type Monitoring struct {
	Metrics      bool   `name:"metrics" env:"SHEAF_METRICS" default:"true" negatable:"" help:"Count requests, database commands and what else happens, for /metrics. Off, nothing is counted and there is no /metrics."`
	AdminListen  string `name:"admin-listen" env:"SHEAF_ADMIN_LISTEN" help:"Address of a second listener, for operators: /metrics, which is there alone then, and /debug/pprof. Without a host it is on loopback. It asks nobody who they are, and profiles tell what is in memory."`
	OTLPEndpoint string `name:"otlp-endpoint" env:"SHEAF_OTLP_ENDPOINT" help:"URL of a receiver of traces (OTLP over HTTP, without /v1/traces), such as http://localhost:4318. Without it the variables of OpenTelemetry count, such as OTEL_EXPORTER_OTLP_ENDPOINT; without those there are no traces."`
}

// What a service does where the database is not as the schema files say.
const (
	MigrateAuto  = "auto"
	MigrateCheck = "check"
	MigrateOff   = "off"
)

// Profile is the kind of place that the service runs in.
type Profile string

// The profiles.
const (
	Development Profile = "development"
	Test        Profile = "test"
	Production  Profile = "production"
)
