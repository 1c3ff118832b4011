package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
)

// Export yields all documents that Where, Filter and Select ask for, in the order
// of ids and as they are at one moment, by one request that is not sent again. An
// error ends it: what came before it is not all. It can be gone on with by a
// filter for greater ids than that of the last document.
func (c *Collection[T]) Export(ctx context.Context, options ...ListOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		l := list{parameters: url.Values{}}
		for _, option := range options {
			option(&l)
		}
		path, err := l.path(c.path + "/_export")
		if err != nil {
			yield(none, err)
			return
		}
		response, err := c.client.stream(ctx, http.MethodGet, path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		for lines := json.NewDecoder(response.Body); ; {
			var document T
			switch err := lines.Decode(&document); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(none, fmt.Errorf("the export broke off: %w", err))
				return
			}
			if !yield(document, nil) {
				return
			}
		}
	}
}

// ImportMode says what becomes of a document that is there already.
type ImportMode string

// The modes.
const (
	ImportCreate ImportMode = "create" // leaves it, and refuses another content
	ImportUpsert ImportMode = "upsert" // replaces it
	ImportMerge  ImportMode = "merge"  // changes it by a merge patch (RFC 7396)
)

// ImportResult is what became of a document of an import.
type ImportResult struct {
	// Index is the place of the document, from 0.
	Index int64 `json:"index"`
	// Status is 201 for one that was stored, 200 for one that was changed, 304 for
	// one that was there already, and else that of the problem.
	Status int             `json:"status"`
	ID     json.RawMessage `json:"id"`
	// Problem says why the document is refused; nil for others.
	Problem *Error `json:"problem"`
}

// ImportCounts are how many documents of an import became what.
type ImportCounts struct {
	Read, Created, Changed, Unchanged, Refused int64
	// Bytes is how much of the input is dealt with.
	Bytes int64
	// Dangling says which references lead to no document; empty where all do.
	Dangling string
}

// Import stores the documents of a stream: one a line, a JSON array or in a row,
// as an export gave them or as Create takes them. It calls each, where that is not
// nil, with what becomes of every document in its order, while others are on their
// way; an error of it ends the import. Running the same import again after an error
// stores what is missing and nothing twice.
func (c *Collection[T]) Import(ctx context.Context, mode ImportMode, documents io.Reader, each func(ImportResult) error) (ImportCounts, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	query := url.Values{"mode": {string(mode)}}
	if each == nil {
		query.Set("results", "refused")
	}
	// A reader of its own type alone, so that net/http does not take it for empty.
	response, err := c.client.stream(ctx, http.MethodPost, c.path+"/_import?"+query.Encode(), struct{ io.Reader }{documents})
	if err != nil {
		return ImportCounts{}, err
	}
	defer func() { _ = response.Body.Close() }()
	return importResults(response.Body, each)
}

// importResults reads the lines of the answer; the last one has the counts.
func importResults(body io.Reader, each func(ImportResult) error) (ImportCounts, error) {
	for lines := json.NewDecoder(bufio.NewReader(body)); ; {
		var line struct {
			Complete *bool
			ImportCounts
			ImportResult
		}
		switch err := lines.Decode(&line); {
		case err != nil:
			return ImportCounts{}, fmt.Errorf("the answer to the import broke off: %w", err)
		case line.Complete == nil && each != nil:
			if err := each(line.ImportResult); err != nil {
				return ImportCounts{}, err
			}
		case line.Complete == nil:
		case line.Problem != nil:
			return line.ImportCounts, line.Problem
		default:
			return line.ImportCounts, nil
		}
	}
}

// stream sends a request once, and returns an answer that is no problem for the
// caller to read.
func (c *Client) stream(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/x-ndjson")
	}
	response, err := c.do(request)
	if err != nil || response.StatusCode < http.StatusBadRequest {
		return response, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return nil, problemOf(response, content)
}
