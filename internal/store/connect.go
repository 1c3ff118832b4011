package store

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/sheafdb/sheaf/internal/fault"
)

const appName = "sheaf"

// clientOptions merges o, the connection string and the defaults, in this
// order, and completes the limits of s.
func (s *Store) clientOptions(o Options) (*options.ClientOptions, error) {
	c := options.Client().ApplyURI(o.URI)
	if err := c.Validate(); err != nil {
		return nil, refusedURI(o.URI, err)
	}
	if c.AppName == nil {
		c.SetAppName(appName)
	}
	c.SetMaxPoolSize(pick(uint64(o.MaxPool), c.MaxPoolSize, defaultMaxPool))
	c.SetMinPoolSize(pick(uint64(o.MinPool), c.MinPoolSize, 0))
	c.SetMaxConnIdleTime(pick(o.MaxIdle, c.MaxConnIdleTime, defaultMaxIdle))
	c.SetConnectTimeout(pick(o.ConnectTimeout, c.ConnectTimeout, defaultConnectTimeout))
	c.SetHeartbeatInterval(pick(0, c.HeartbeatInterval, defaultHeartbeat))
	c.SetServerSelectionTimeout(pick(o.SelectTimeout, c.ServerSelectionTimeout, defaultSelectTimeout))
	s.timeout = pick(o.Timeout, c.Timeout, defaultTimeout)
	s.retryTime = cmp.Or(o.RetryTime, defaultRetryTime)
	s.keyLifetime = cmp.Or(o.KeyLifetime, defaultKeyLifetime)
	c.SetTimeout(s.timeout)
	c.SetRetryReads(true).SetRetryWrites(true).SetReadPreference(readpref.Primary())
	c.SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority())
	c.SetMonitor(s.commandMonitor(o.Observer))
	if o.Observer != nil {
		c.SetPoolMonitor(s.pool.monitor())
	}
	return c, trust(c, o.CAFile)
}

// pick returns the first that is set: own, that of the connection string, the
// default.
func pick[T comparable](own T, uri *T, standard T) T {
	if uri == nil {
		return cmp.Or(own, standard)
	}
	return cmp.Or(own, *uri)
}

// trust makes the authorities in a PEM file the only ones.
func trust(c *options.ClientOptions, file string) error {
	if file == "" {
		return nil
	}
	if c.TLSConfig == nil {
		return errors.New("a CA file for MongoDB is set, and the connection string does not ask for TLS (tls=true)")
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return errors.New("the CA file for MongoDB cannot be read: " + err.Error())
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return errors.New("the CA file for MongoDB holds no certificate in PEM form: " + file)
	}
	config := c.TLSConfig.Clone()
	config.RootCAs = roots
	c.SetTLSConfig(config)
	return nil
}

// refusedURI says that a connection string is not valid. The driver's reason
// can quote any part of it, so it is told only where there is no secret.
func refusedURI(uri string, reason error) error {
	const refused = "the connection string of MongoDB is not valid"
	if dns, ok := errors.AsType[*net.DNSError](reason); ok {
		return errors.New("the host that the connection string of MongoDB names is not found: " + dns.Err)
	}
	lower := strings.ToLower(uri)
	for _, sign := range []string{"@", "password", "token", "authmechanism"} {
		if strings.Contains(lower, sign) {
			return errors.New(refused + " (the reason could quote the password, and so is left out)")
		}
	}
	return errors.New(refused + ": " + reason.Error())
}

const (
	adminSelectTimeout = 2 * time.Second
	adminTimeout       = 30 * time.Second
)

// Admin runs one command on the admin database over a direct connection to the
// one server that uri names, be it part of a replica set or not. Where the
// server refuses the command the reply is returned beside the error, for its
// code. Without a deadline the command may take 30 s; a server that cannot be
// reached is waited for 2 s.
func Admin(ctx context.Context, uri string, command bson.D) (reply bson.Raw, err error) {
	err = direct(ctx, uri, func(client *mongo.Client) error {
		reply, err = client.Database("admin").RunCommand(ctx, command).Raw()
		if refused, ok := errors.AsType[mongo.CommandError](err); ok {
			reply = refused.Raw
			return fault.Wrap(err, fault.From(mapError(ctx, err)).Code, "MongoDB refused the command %s", command[0].Key)
		}
		return mapError(ctx, err)
	})
	return reply, err
}

// direct connects to the one server that uri names for as long as fn runs.
func direct(ctx context.Context, uri string, fn func(*mongo.Client) error) error {
	c := options.Client().ApplyURI(uri)
	if err := c.Validate(); err != nil {
		return refusedURI(uri, err)
	}
	c.SetAppName(appName).SetDirect(true).SetTimeout(adminTimeout).
		SetConnectTimeout(adminSelectTimeout).SetServerSelectionTimeout(adminSelectTimeout)
	client, err := mongo.Connect(c)
	if err != nil {
		return refusedURI(uri, err)
	}
	return errors.Join(fn(client), client.Disconnect(context.WithoutCancel(ctx)))
}

// Drop deletes a whole database on the one server that uri names.
func Drop(ctx context.Context, uri, database string) error {
	return direct(ctx, uri, func(client *mongo.Client) error {
		return mapError(ctx, client.Database(database).Drop(ctx))
	})
}
