package main

import (
	"fmt"
	"io"

	"github.com/sheafdb/sheaf/internal/migrate"
	"github.com/sheafdb/sheaf/internal/store"
)

// migrateProgress shows what a run does: a line a step, and how far a step over
// documents is.
type migrateProgress struct {
	to io.Writer
	// at is the step that was told last.
	at    string
	meter *meter
	// before is how many documents earlier runs went over.
	before int64
}

func (p *migrateProgress) show(now migrate.Progress) {
	if at := fmt.Sprint(now.Migration, now.Undoing, now.Number); at != p.at {
		p.at = at
		p.finish()
		_, _ = fmt.Fprintln(p.to, lineOf(now))
	}
	if now.Done {
		p.finish()
		return
	}
	if now.Point == nil {
		return
	}
	if p.meter == nil {
		p.meter, p.before = newMeter(p.to, now.Step.Collection, max(now.Point.Total, 1)), now.Point.Read
	}
	p.meter.show(now.Point.Read-p.before, now.Point.Read, fmt.Sprintf(", %d changed", now.Point.Changed))
}

func lineOf(p migrate.Progress) string {
	way := ""
	if p.Undoing {
		way = "undo "
	}
	return fmt.Sprintf("%s%s, step %d of %d: %s", way, p.Migration, p.Number, p.Steps, p.Step.Title())
}

// finish ends the line of a bar.
func (p *migrateProgress) finish() {
	if p.meter != nil {
		p.meter.finish()
		p.meter = nil
	}
}

func (p *migrateProgress) waiting(holder store.Holder) {
	_, _ = fmt.Fprintf(p.to, "%s has the lease since %s: waiting until it is known whether that run lives\n", holder.Who, holder.Since.UTC().Format(timeLayout))
}
