package store

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
)

// answers is the collection of what keyed requests were answered. A record is
// inserted before the request is carried out and completed after it, in the
// transaction of the request: so it is there if and only if what the request
// wrote is, and of two requests with one key one meets the record of the other,
// committed or not.
//
//	{_id: {caller, key}, fingerprint, at, expiresAt, status, header, body, deflated, parts: n}
//	{_id: {caller, key, part: 1…n}, body, expiresAt}
//
// MongoDB deletes them at expiresAt.
const answers = "_sheaf.idempotency"

const (
	// deflateFrom is the size in bytes from which a body is compressed: what a
	// transaction writes must fit into MongoDB's cache.
	deflateFrom = 64 << 10
	// partSize bounds what one document holds of a body, in bytes. Longer ones are
	// cut into parts.
	partSize = 8 << 20
)

// partsOutlive is how much longer parts are kept than the record that needs them.
const partsOutlive = time.Hour

// RequestKey is the name that a caller gave to a request.
type RequestKey struct {
	Caller string `bson:"caller"`
	Key    string `bson:"key"`
	// Part is the place of a part of the body, 0 for the record itself.
	Part int32 `bson:"part,omitempty"`
}

// Answer is what a request was answered.
type Answer struct {
	Status int
	Header map[string][]string
	Body   []byte
}

// answerRecord is a document of answers.
type answerRecord struct {
	ID          RequestKey `bson:"_id"`
	Fingerprint []byte     `bson:"fingerprint,omitempty"`
	At          time.Time  `bson:"at,omitempty"`
	ExpiresAt   time.Time  `bson:"expiresAt"`
	Kept        keptAnswer `bson:",inline"`
}

// keptAnswer is what completes a record; a part has a body alone.
type keptAnswer struct {
	Status int                 `bson:"status,omitempty"`
	Header map[string][]string `bson:"header,omitempty"`
	Body   []byte              `bson:"body,omitempty"`
	// Deflated is set where the body, all its parts together, is compressed.
	Deflated bool  `bson:"deflated,omitempty"`
	Parts    int32 `bson:"parts,omitempty"`
}

// errReserved is what meets a key that another request has.
var errReserved = errors.New("the key is another request's")

// Once runs fn in a transaction as InTransaction does, and stores its answer in
// that. Where the key has an answer already, that is returned and nothing run.
// The fingerprint tells requests apart: with another one the error is
// IdempotencyMismatch; it is IdempotencyProgress while another transaction with
// the key is open. A request that fails leaves its key free.
func (s *Store) Once(ctx context.Context, key RequestKey, fingerprint []byte, fn func(context.Context) (Answer, error)) (answer Answer, replayed bool, err error) {
	err = s.InTransaction(ctx, func(ctx context.Context) error {
		if err := s.reserve(ctx, key, fingerprint); err != nil {
			return err
		}
		if answer, err = fn(ctx); err != nil {
			return err
		}
		return s.keep(ctx, key, answer)
	})
	if !errors.Is(err, errReserved) {
		return answer, false, err
	}
	answer, found, err := s.Answered(ctx, key, fingerprint)
	if err == nil && !found {
		err = fault.New(fault.IdempotencyProgress, "a request with this Idempotency-Key is under way")
	}
	return answer, true, err
}

// Keep stores the answer of a key in the transaction of ctx. It fails where the
// key has one.
func (s *Store) Keep(ctx context.Context, key RequestKey, fingerprint []byte, answer Answer) error {
	err := s.reserve(ctx, key, fingerprint)
	if err == nil {
		return s.keep(ctx, key, answer)
	}
	if errors.Is(err, errReserved) {
		err = fault.Wrap(err, fault.IdempotencyProgress, "another request with this Idempotency-Key came between")
		transactionOf(ctx).note(nil, err)
	}
	return err
}

// reserve inserts the record of a key. What is in its way is left to the caller:
// a new attempt would meet it again.
func (s *Store) reserve(ctx context.Context, key RequestKey, fingerprint []byte) error {
	now := time.Now()
	record := answerRecord{ID: key, Fingerprint: fingerprint, At: now, ExpiresAt: now.Add(s.keyLifetime)}
	_, err := s.collection(answers).InsertOne(s.named(ctx, answers), record)
	if mongo.IsDuplicateKeyError(err) || hasCode(err, codeWriteConflict) {
		return errReserved
	}
	return s.failed(ctx, err)
}

// keep completes the record of a key.
func (s *Store) keep(ctx context.Context, key RequestKey, answer Answer) error {
	if failure := transactionOf(ctx).failure; failure != nil {
		return failure
	}
	set := keptAnswer{Status: answer.Status, Header: answer.Header, Deflated: len(answer.Body) >= deflateFrom}
	body := answer.Body
	if set.Deflated {
		body = deflate(body)
	}
	bodies := slices.Collect(slices.Chunk(body, partSize))
	for i := 1; i < len(bodies); i++ {
		part := answerRecord{ID: key, ExpiresAt: time.Now().Add(s.keyLifetime + partsOutlive), Kept: keptAnswer{Body: bodies[i]}}
		part.ID.Part = int32(i)
		if _, err := s.collection(answers).InsertOne(s.named(ctx, answers), part); err != nil {
			return s.failed(ctx, err)
		}
	}
	if len(bodies) > 0 {
		set.Body, set.Parts = bodies[0], int32(len(bodies)-1)
	}
	_, err := s.collection(answers).UpdateByID(s.named(ctx, answers), key, bson.D{{Key: "$set", Value: set}})
	return s.failed(ctx, err)
}

// Answered returns what a key was answered, and whether it was.
func (s *Store) Answered(ctx context.Context, key RequestKey, fingerprint []byte) (answer Answer, found bool, err error) {
	var record answerRecord
	err = s.record(ctx, answers, key, nil, &record)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return Answer{}, false, nil
	}
	if err != nil {
		return Answer{}, false, mapError(ctx, err)
	}
	if !bytes.Equal(record.Fingerprint, fingerprint) {
		return Answer{}, false, fault.New(fault.IdempotencyMismatch, "this Idempotency-Key came before with another request: another method, path, header or body")
	}
	body, err := s.appendParts(ctx, record)
	if err == nil && record.Kept.Deflated {
		body, err = io.ReadAll(flate.NewReader(bytes.NewReader(body)))
	}
	return Answer{Status: record.Kept.Status, Header: record.Kept.Header, Body: body}, err == nil, err
}

func deflate(body []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestSpeed) // fails for an unknown level
	_, _ = w.Write(body)                           // a Buffer takes all
	_ = w.Close()
	return out.Bytes()
}

// appendParts returns the whole body of a record.
func (s *Store) appendParts(ctx context.Context, record answerRecord) ([]byte, error) {
	body := record.Kept.Body
	for i := range record.Kept.Parts {
		var part answerRecord
		key := record.ID
		key.Part = i + 1
		if err := s.record(ctx, answers, key, nil, &part); err != nil {
			return nil, mapError(ctx, err)
		}
		body = append(body, part.Kept.Body...)
	}
	return body, nil
}
