package observe

import (
	"context"
	"log/slog"
)

// Audit returns the subscriber that keeps account: a line for every write, and
// for every request that was refused for who asked, or how often. It has who, what
// and which documents, and never what is in them.
func Audit(logger *slog.Logger) Subscriber {
	a := audit{logger}
	return Subscriber{Request: a.request, Denial: a.denial, Write: a.write}
}

type audit struct{ logger *slog.Logger }

func (a audit) write(ctx context.Context, w Write) {
	a.logger.LogAttrs(ctx, slog.LevelInfo, "written",
		slog.String("method", w.Method), slog.String("route", w.Route), slog.String("action", w.Action),
		slog.String("collection", w.Collection), slog.Int("documents", w.Documents), slog.Any("ids", w.IDs))
}

func (a audit) denial(ctx context.Context, d Denial) {
	a.logger.LogAttrs(ctx, slog.LevelWarn, "denied",
		slog.String("method", d.Method), slog.String("route", d.Route), slog.String("action", d.Action),
		slog.String("collection", d.Collection), slog.String("id", d.ID))
}

// request notes who was not let in. What the rules kept a caller from is a Denial.
func (a audit) request(ctx context.Context, r Request) {
	if r.Address != "" {
		a.logger.LogAttrs(ctx, slog.LevelWarn, "not let in",
			slog.String("method", r.Method), slog.String("route", r.Route), slog.Int("status", r.Status), slog.String("address", r.Address))
	}
}
