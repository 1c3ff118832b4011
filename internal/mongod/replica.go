package mongod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Codes of the server's answers.
const (
	codeAlreadyInitialized = 23
	codeNotYetInitialized  = 94
)

const (
	commandLimit = 5 * time.Second
	pollFirst    = 2 * time.Millisecond
	pollLongest  = 50 * time.Millisecond
)

// awaitCommands waits until the server takes commands, and makes sure that it is this process that answers on the
// port: when another one took it first, the process is about to end.
func (s *Server) awaitCommands(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		if !listens(ctx, s.Address()) {
			return false, nil
		}
		answer, err := s.admin(ctx, bson.D{{Key: "serverStatus", Value: 1}, {Key: "repl", Value: 0}, {Key: "metrics", Value: 0}, {Key: "wiredTiger", Value: 0}})
		if err != nil {
			return false, nil
		}
		pid, _ := answer.Lookup("pid").AsInt64OK()
		return int(pid) == s.PID(), nil
	})
}

// awaitPrimary waits until the server is the writable primary of its set, made or changed to its address if need be.
func (s *Server) awaitPrimary(ctx context.Context) error {
	if err := poll(ctx, func() (bool, error) { return s.configureSet(ctx) }); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		answer, err := s.admin(ctx, bson.D{{Key: "hello", Value: 1}})
		if err != nil {
			return false, nil
		}
		primary, _ := answer.Lookup("isWritablePrimary").BooleanOK()
		return primary, nil
	})
}

// configureSet is false while the server is still reading the configuration of its set.
func (s *Server) configureSet(ctx context.Context) (bool, error) {
	answer, err := s.admin(ctx, bson.D{{Key: "replSetGetConfig", Value: 1}})
	if hasCode(err, codeNotYetInitialized) {
		return s.initiate(ctx)
	}
	if unanswered(err) {
		return false, nil // a busy machine: it is asked again
	}
	if err != nil {
		return false, err
	}
	var config bson.D
	if err := answer.Lookup("config").Unmarshal(&config); err != nil {
		return false, fmt.Errorf("mongod answers with no configuration of its replica set: %w", err)
	}
	if s.isOnlyMember(answer) {
		return true, nil
	}
	return s.reconfigure(ctx, config)
}

func (s *Server) initiate(ctx context.Context) (bool, error) {
	config := bson.D{{Key: "_id", Value: s.options.ReplicaSet}, {Key: "members", Value: s.members()}}
	_, err := s.admin(ctx, bson.D{{Key: "replSetInitiate", Value: config}})
	if hasCode(err, codeAlreadyInitialized) || hasCode(err, codeNotYetInitialized) || unanswered(err) {
		// The server is still reading its configuration, or is slow to make one: it is asked again.
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot make the replica set of mongod: %w", err)
	}
	return true, nil
}

// reconfigure gives the set the server's present address as that of its only member. It is forced, because a server
// that does not find itself in its configuration belongs to no set and has no primary to ask.
func (s *Server) reconfigure(ctx context.Context, config bson.D) (bool, error) {
	for i, element := range config {
		if element.Key == "members" {
			config[i].Value = s.members()
		}
	}
	_, err := s.admin(ctx, bson.D{{Key: "replSetReconfig", Value: config}, {Key: "force", Value: true}})
	if err != nil {
		return false, fmt.Errorf("cannot change the address in the replica set of mongod: %w", err)
	}
	return true, nil
}

func (s *Server) members() bson.A {
	return bson.A{bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: s.Address()}}}
}

func (s *Server) isOnlyMember(answer bson.Raw) bool {
	host, _ := answer.Lookup("config", "members", "0", "host").StringValueOK()
	_, err := answer.LookupErr("config", "members", "1")
	return host == s.Address() && err != nil
}

func (s *Server) admin(ctx context.Context, command bson.D) (bson.Raw, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	return s.options.Admin(ctx, s.directURI(), command)
}

// unanswered reports whether a command got no answer, be it that the time ran out or that the server closed the
// connection, as it does when its part in the set changes.
func unanswered(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.As(err, &network)
}

func hasCode(err error, code int) bool {
	var coded interface{ HasErrorCode(int) bool }
	return errors.As(err, &coded) && coded.HasErrorCode(code)
}

func listens(ctx context.Context, address string) bool {
	dialer := net.Dialer{Timeout: commandLimit}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// poll calls the function, ever more slowly, until it is true or fails or the context ends.
func poll(ctx context.Context, ready func() (bool, error)) error {
	for wait := pollFirst; ; wait = min(2*wait, pollLongest) {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}
