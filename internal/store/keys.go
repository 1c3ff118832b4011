package store

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
)

// apiKeys is the collection of API keys. A key that is revoked stays, so that its
// id keeps its meaning in logs.
//
//	{_id, name, secrets: [{hash, until}], roles, collections, createdAt, expiresAt, revokedAt, lastUsedAt}
const apiKeys = "_sheaf.keys"

// keyRecord is a document of apiKeys.
type keyRecord struct {
	ID          string         `bson:"_id"`
	Name        string         `bson:"name"`
	Secrets     []secretRecord `bson:"secrets"`
	Roles       []string       `bson:"roles"`
	Collections []string       `bson:"collections"` // null for all
	CreatedAt   time.Time      `bson:"createdAt"`
	ExpiresAt   time.Time      `bson:"expiresAt,omitempty"`
	RevokedAt   time.Time      `bson:"revokedAt,omitempty"`
	LastUsedAt  time.Time      `bson:"lastUsedAt,omitempty"`
}

type secretRecord struct {
	Hash  []byte    `bson:"hash"`
	Until time.Time `bson:"until,omitempty"`
}

func recordOf(k auth.Key) keyRecord {
	r := keyRecord{
		ID: k.ID, Name: k.Name, Secrets: secretsOf(k), Roles: k.Roles, Collections: k.Collections,
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt, LastUsedAt: k.LastUsedAt,
	}
	if r.Roles == nil {
		r.Roles = []string{}
	}
	return r
}

func secretsOf(k auth.Key) []secretRecord {
	list := make([]secretRecord, len(k.Secrets))
	for i, s := range k.Secrets {
		list[i] = secretRecord{s.Hash[:], s.Until}
	}
	return list
}

func (r keyRecord) key() auth.Key {
	k := auth.Key{
		ID: r.ID, Name: r.Name, Roles: r.Roles, Collections: r.Collections,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt, LastUsedAt: r.LastUsedAt,
	}
	for _, s := range r.Secrets {
		if len(s.Hash) == len(auth.Hash{}) {
			k.Secrets = append(k.Secrets, auth.Secret{Hash: auth.Hash(s.Hash), Until: s.Until})
		}
	}
	return k
}

// Keys is where API keys are read from.
func (s *Store) Keys() auth.KeySource { return auth.KeySource{Key: s.Key, Touch: s.touchKey} }

// Key returns the API key with an id, NotFound where there is none. Many that are
// asked for at once cost one command.
func (s *Store) Key(ctx context.Context, id string) (auth.Key, error) {
	doc, err := s.Get(ctx, apiKeys, bsonjson.StringValue(id), nil)
	if err != nil {
		return auth.Key{}, err
	}
	var r keyRecord
	if err := bson.Unmarshal(doc, &r); err != nil {
		return auth.Key{}, fault.Wrap(err, fault.Internal, "the API key %s is not stored as one", id)
	}
	return r.key(), nil
}

// AllKeys returns all API keys, the oldest first.
func (s *Store) AllKeys(ctx context.Context) ([]auth.Key, error) {
	var keys []auth.Key
	sort, err := bson.Marshal(bson.D{{Key: "createdAt", Value: 1}, {Key: "_id", Value: 1}})
	if err != nil {
		return nil, err
	}
	err = s.Each(ctx, Query{Collection: apiKeys, Sort: sort}, func(doc bson.Raw) error {
		var r keyRecord
		err := bson.Unmarshal(doc, &r)
		keys = append(keys, r.key())
		return err
	})
	return keys, err
}

// CreateKey stores a new API key.
func (s *Store) CreateKey(ctx context.Context, k auth.Key) error {
	ctx, done, err := s.write(ctx, apiKeys)
	if err != nil {
		return err
	}
	defer done()
	_, err = s.collection(apiKeys).InsertOne(ctx, recordOf(k))
	return s.failed(ctx, err)
}

// RevokeKey ends an API key, and returns it. One that was revoked before stays as
// it is.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) (auth.Key, error) {
	_, err := s.updateKey(ctx, bson.D{{Key: "_id", Value: id}, {Key: "revokedAt", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "revokedAt", Value: at}}}})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return auth.Key{}, err
	}
	return s.Key(ctx, id)
}

// ChangeSecrets lets an API key become what change makes of its secrets and its
// end, and returns it. What change returns as an error is the error.
func (s *Store) ChangeSecrets(ctx context.Context, id string, change func(*auth.Key) error) (auth.Key, error) {
	for {
		if err := ctx.Err(); err != nil {
			return auth.Key{}, err
		}
		key, err := s.Key(ctx, id)
		if err != nil {
			return key, err
		}
		before := secretsOf(key)
		if err := change(&key); err != nil {
			return key, err
		}
		set := bson.D{{Key: "secrets", Value: secretsOf(key)}}
		update := bson.D{}
		if key.ExpiresAt.IsZero() {
			update = append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "expiresAt", Value: ""}}})
		} else {
			set = append(set, bson.E{Key: "expiresAt", Value: key.ExpiresAt})
		}
		update = append(update, bson.E{Key: "$set", Value: set})
		changed, err := s.updateKey(ctx, bson.D{{Key: "_id", Value: id}, {Key: "secrets", Value: before}, {Key: "revokedAt", Value: bson.D{{Key: "$exists", Value: false}}}}, update)
		if !fault.Is(err, fault.NotFound) {
			return changed, err
		}
		// Another changed it in between: what that made of it counts now.
	}
}

func (s *Store) updateKey(ctx context.Context, filter, update bson.D) (auth.Key, error) {
	ctx, done, err := s.write(ctx, apiKeys)
	if err != nil {
		return auth.Key{}, err
	}
	defer done()
	var r keyRecord
	err = s.collection(apiKeys).FindOneAndUpdate(ctx, filter, update, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&r)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return auth.Key{}, notFound(apiKeys)
	}
	return r.key(), s.failed(ctx, err)
}

// touchKey notes that an API key was used.
func (s *Store) touchKey(ctx context.Context, id string, at time.Time) error {
	ctx, done, err := s.write(ctx, apiKeys)
	if err != nil {
		return err
	}
	defer done()
	_, err = s.collection(apiKeys).UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$max", Value: bson.D{{Key: "lastUsedAt", Value: at}}}})
	return s.failed(ctx, err)
}
