package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/store"
)

// keysCommand works on the API keys in the database, beside a running service or
// without one.
type keysCommand struct {
	Create keysCreateCommand `cmd:"" help:"Create an API key and print it, this once."`
	List   keysListCommand   `cmd:"" help:"List the API keys: all but their secrets, which nobody has."`
	Revoke keysRevokeCommand `cmd:"" help:"Revoke an API key for good."`
	Rotate keysRotateCommand `cmd:"" help:"Give an API key a new secret and print it, this once. The old one goes on for a while."`
}

type keysCreateCommand struct {
	Name        string   `arg:"" help:"What the key is for, such as the name of the service that gets it."`
	Roles       []string `name:"roles" placeholder:"ROLE,…" help:"Roles, which the rules of the schema ask for."`
	Collections []string `name:"collections" placeholder:"NAME,…" help:"Collections that the key may be used for; all where it is left out."`
	Expires     string   `name:"expires" placeholder:"WHEN" help:"When it ends: after a time such as 90d or 12h, or at one such as 2027-01-31; never where it is left out."`
	JSON        bool     `help:"Print JSON."`
}

// What names and roles may be.
const maxKeyName = 100

var roleForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$`)

// Run creates the key. The standard output has the key alone, so that it can go
// into a variable.
func (c *keysCreateCommand) Run(ctx context.Context, a *app) error {
	now := time.Now()
	key, err := c.key(a, now)
	if err != nil {
		return err
	}
	text, hash := auth.NewSecret(key.ID)
	key.Secrets = []auth.Secret{{Hash: hash}}
	err = a.withStore(ctx, func(s *store.Store) error { return s.CreateKey(ctx, key) })
	if err != nil {
		return err
	}
	return a.printSecret(key, text, c.JSON)
}

// key is what the flags ask for. All that is wrong with them is told at once.
func (c *keysCreateCommand) key(a *app, now time.Time) (auth.Key, error) {
	var wrong []string
	if c.Name == "" || len(c.Name) > maxKeyName || strings.ContainsAny(c.Name, "\t\r\n") {
		wrong = append(wrong, "the name must be a line of 1 to "+strconv.Itoa(maxKeyName)+" bytes")
	}
	for _, role := range c.Roles {
		if !roleForm.MatchString(role) {
			wrong = append(wrong, fmt.Sprintf("%q is no role: 1 to 64 letters, digits and _ . : / -", role))
		}
	}
	expires, err := expiry(c.Expires, now)
	if err != nil {
		wrong = append(wrong, "--expires "+err.Error())
	}
	if err := c.checkCollections(a); err != nil {
		wrong = append(wrong, err.Error())
	}
	if len(wrong) > 0 {
		return auth.Key{}, usageError(strings.Join(wrong, "\n"))
	}
	return auth.Key{ID: auth.NewKeyID(), Name: c.Name, Roles: c.Roles, Collections: c.Collections, CreatedAt: now, ExpiresAt: expires}, nil
}

// checkCollections holds the names against the schema, where one is set.
func (c *keysCreateCommand) checkCollections(a *app) error {
	if len(c.Collections) == 0 || a.config.Schema == "" {
		return nil
	}
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	for _, name := range c.Collections {
		if _, ok := model.Lookup(name); !ok {
			return unknownCollection(model, name)
		}
	}
	return nil
}

var dayForm = regexp.MustCompile(`^([0-9]{1,5})d$`)

// expiry reads when a key ends: after a while, or at a time. "" and never are for
// never.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "never" {
		return time.Time{}, nil
	}
	if d, err := lifetime(text); err == nil {
		return now.Add(d), nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil && at.After(now) {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("must be a time such as 90d or 12h, or a date to come such as 2027-01-31, and is %q", text)
}

// lifetime reads a duration, which may count days.
func lifetime(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	if m := dayForm.FindStringSubmatch(text); m != nil {
		days, err := strconv.Atoi(m[1])
		if days > 0 {
			return time.Duration(days) * day, err
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("must be a time such as 24h or 7d, and is %q", text)
	}
	return d, nil
}

type keysListCommand struct {
	JSON bool `help:"Print JSON."`
}

// Run lists the keys, the oldest first.
func (c *keysListCommand) Run(ctx context.Context, a *app) error {
	var keys []auth.Key
	err := a.withStore(ctx, func(s *store.Store) (err error) {
		keys, err = s.AllKeys(ctx)
		return err
	})
	if err != nil {
		return err
	}
	now := time.Now()
	if c.JSON {
		list := make([]keyJSON, len(keys))
		for i, key := range keys {
			list[i] = jsonOf(key, now)
		}
		return printJSON(a.stdout, map[string]any{"keys": list})
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tNAME\tSTATE\tROLES\tCOLLECTIONS\tCREATED\tEXPIRES\tLAST USED")
	for _, key := range keys {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", key.ID, key.Name, key.State(now), orDash(strings.Join(key.Roles, ",")),
			collectionsOf(key), dateOf(key.CreatedAt), dateOf(key.ExpiresAt), dateOf(key.LastUsedAt))
	}
	return table.Flush()
}

type keysRevokeCommand struct {
	Key string `arg:"" name:"id" help:"The id, as sheaf keys list has it."`
}

// Run revokes the key. That it was revoked before is no error.
func (c *keysRevokeCommand) Run(ctx context.Context, a *app) error {
	id := keyID(c.Key)
	err := a.withStore(ctx, func(s *store.Store) error {
		_, err := s.RevokeKey(ctx, id, time.Now())
		return err
	})
	if err != nil {
		return unknownKey(err, id)
	}
	_, err = fmt.Fprintf(a.stdout, "revoked %s; running instances refuse it within %s\n", id, a.config.Auth.KeyLifetime)
	return err
}

type keysRotateCommand struct {
	Key     string `arg:"" name:"id" help:"The id, as sheaf keys list has it."`
	Overlap string `name:"overlap" default:"24h" placeholder:"TIME" help:"How long the secrets that the key has go on, such as 1h or 7d; 0s ends them at once."`
	Expires string `name:"expires" placeholder:"WHEN" help:"A new end of the key, as for create; never takes it away."`
	JSON    bool   `help:"Print JSON."`
}

// Run rotates the key.
func (c *keysRotateCommand) Run(ctx context.Context, a *app) error {
	now, id := time.Now(), keyID(c.Key)
	overlap, err := lifetime(c.Overlap)
	if err != nil && c.Overlap != "0s" && c.Overlap != "0" {
		return usageError("--overlap " + err.Error())
	}
	expires, err := expiry(c.Expires, now)
	if err != nil {
		return usageError("--expires " + err.Error())
	}
	text, hash := auth.NewSecret(id)
	var key auth.Key
	err = a.withStore(ctx, func(s *store.Store) (err error) {
		key, err = s.ChangeSecrets(ctx, id, func(k *auth.Key) error {
			if c.Expires != "" {
				k.ExpiresAt = expires
			}
			return k.Rotate(hash, now, overlap)
		})
		return err
	})
	if err != nil {
		return unknownKey(err, id)
	}
	return a.printSecret(key, text, c.JSON)
}

// keyID takes an id, or a whole key: who finds one that leaked has that.
func keyID(text string) string {
	if id, err := auth.KeyID(text); err == nil {
		return id
	}
	return text
}

func unknownKey(err error, id string) error {
	if fault.Is(err, fault.NotFound) {
		return fmt.Errorf("no API key has the id %s; sheaf keys list shows them", strconv.Quote(id))
	}
	return err
}

// withStore runs fn with the database of the settings.
func (a *app) withStore(ctx context.Context, fn func(*store.Store) error) (err error) {
	if err := a.settledDatabase(); err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	return fn(db.Store)
}

// printSecret prints a key that nobody can print again.
func (a *app) printSecret(key auth.Key, text string, asJSON bool) error {
	if asJSON {
		return printJSON(a.stdout, struct {
			Key string `json:"key"`
			keyJSON
		}{text, jsonOf(key, time.Now())})
	}
	_, _ = fmt.Fprintf(a.stderr, "the key %s of %s; collections: %s; roles: %s; expires: %s\nKeep it now: only its hash is stored, so it cannot be shown again.\n",
		key.ID, key.Name, collectionsOf(key), orDash(strings.Join(key.Roles, ",")), dateOf(key.ExpiresAt))
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

// keyJSON is a key as programs get it, without its secrets.
type keyJSON struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	State       string     `json:"state"`
	Roles       []string   `json:"roles"`
	Collections []string   `json:"collections"` // null for all
	CreatedAt   time.Time  `json:"createdAt"`
	ExpiresAt   *time.Time `json:"expiresAt"`
	RevokedAt   *time.Time `json:"revokedAt"`
	LastUsedAt  *time.Time `json:"lastUsedAt"`
}

func jsonOf(k auth.Key, now time.Time) keyJSON {
	set := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		at = at.UTC()
		return &at
	}
	return keyJSON{k.ID, k.Name, k.State(now), append([]string{}, k.Roles...), k.Collections, k.CreatedAt.UTC(), set(k.ExpiresAt), set(k.RevokedAt), set(k.LastUsedAt)}
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

func collectionsOf(k auth.Key) string {
	if k.Collections == nil {
		return "all"
	}
	return orDash(strings.Join(k.Collections, ","))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func dateOf(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02T15:04Z")
}
