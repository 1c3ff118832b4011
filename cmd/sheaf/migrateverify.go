package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sheafdb/sheaf/internal/migrate"
)

// migrateVerifyCommand checks migration files.
type migrateVerifyCommand struct {
	JSON    bool `help:"Print JSON."`
	Offline bool `help:"Leave the database out: check the files against each other and the schema alone."`
}

// Run prints what is wrong; problems are an error.
func (c *migrateVerifyCommand) Run(ctx context.Context, a *app) error {
	migrations, err := a.settledMigrations()
	if err != nil {
		return err
	}
	model, err := a.loadSchema("")
	if err != nil {
		return err
	}
	v := migrate.Verify(migrations, model)
	if !c.Offline {
		if err := a.verifyHistory(ctx, migrations, &v); err != nil {
			return err
		}
	}
	if c.JSON {
		err = encodeJSON(a.stdout, v)
	} else {
		err = a.tellVerified(v, len(migrations))
	}
	if err == nil && len(v.Problems) > 0 {
		err = fmt.Errorf("the migrations have %d %s", len(v.Problems), plural(len(v.Problems), "problem"))
	}
	return err
}

// verifyHistory adds what the history of the database says of the files.
func (a *app) verifyHistory(ctx context.Context, migrations []*migrate.Migration, v *migrate.Verification) (err error) {
	if err := a.settledDatabase(); err != nil {
		return err
	}
	db, err := a.openDatabase(ctx, false, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	status, err := migrate.ReadStatus(ctx, db.Store, migrations)
	if err == nil {
		v.AddHistory(status)
	}
	return err
}

func (a *app) tellVerified(v migrate.Verification, count int) error {
	var lines []string
	for _, problem := range v.Problems {
		lines = append(lines, "problem: "+problem)
	}
	for _, warning := range v.Warnings {
		lines = append(lines, "warning: "+warning)
	}
	if len(v.Problems) == 0 {
		lines = append(lines, fmt.Sprintf("%d %s: carried out on an empty database they make what the schema asks for", count, plural(count, "migration")))
	}
	_, err := fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}
