package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ListOption says which documents a list has, and what of them.
type ListOption func(*list)

// list is a list as it is asked for.
type list struct {
	conditions []any
	parameters url.Values
}

// Op is an operator of a filter with its operand, such as Op{"$gte": 18}.
type Op map[string]any

// Where admits the documents with a value at a path, or those for which an Op
// holds there. Several conditions must all hold.
func Where(path string, value any) ListOption { return Filter(map[string]any{path: value}) }

// Filter admits the documents that fulfil a filter in MongoDB's syntax: anything
// whose JSON is one.
func Filter(filter any) ListOption {
	return func(l *list) { l.conditions = append(l.conditions, filter) }
}

// Select gives these fields of the documents alone, and the id; each with a "-"
// before it, all fields but those.
func Select(paths ...string) ListOption { return parameter("select", strings.Join(paths, ",")) }

// Sort orders by fields, by those with a "-" before them from the greatest on.
func Sort(paths ...string) ListOption { return parameter("sort", strings.Join(paths, ",")) }

// Limit is how many documents a page has at most; without it that is up to the
// service.
func Limit(documents int) ListOption { return parameter("limit", strconv.Itoa(documents)) }

// After gives the page after the one whose Next this is, Before the page before
// the one whose Prev this is. Both are for List; All goes through all pages.
func After(cursor string) ListOption { return parameter("after", cursor) }

// Before is told of at After.
func Before(cursor string) ListOption { return parameter("before", cursor) }

// Include has the documents come along that these relations lead to, such as
// author, or comments.author for those of the comments. They are members that are
// called as the relations.
func Include(relations ...string) ListOption {
	return parameter("include", strings.Join(relations, ","))
}

// CountExactly has Page.Total be the number of all documents that the filter
// admits, which costs as much as to look at them.
func CountExactly() ListOption { return parameter("count", "exact") }

// parameter sets a parameter; an empty one is not sent.
func parameter(name, value string) ListOption {
	return func(l *list) {
		if l.parameters.Del(name); value != "" {
			l.parameters.Set(name, value)
		}
	}
}

// path returns what is asked for.
func (l *list) path(collection string) (string, error) {
	if len(l.conditions) > 0 {
		filter, err := json.Marshal(map[string]any{"$and": l.conditions})
		if err != nil {
			return "", err
		}
		l.parameters.Set("filter", string(filter))
	}
	if len(l.parameters) == 0 {
		return collection, nil
	}
	return collection + "?" + l.parameters.Encode(), nil
}

// Page is a part of a list. Next is the cursor of the page after it, empty for
// the last, and Prev that of the page before it, empty for the first. Total is
// what CountExactly asks for.
type Page[T any] struct {
	Documents  []T
	Next, Prev string
	Total      int64
}

// List returns a page.
func (c *Collection[T]) List(ctx context.Context, options ...ListOption) (Page[T], error) {
	l := list{parameters: url.Values{}}
	for _, option := range options {
		option(&l)
	}
	path, err := l.path(c.path)
	if err != nil {
		return Page[T]{}, err
	}
	var answer struct {
		Data []T
		Page struct {
			Next, Prev string
			Total      int64
		}
	}
	err = c.client.call(ctx, http.MethodGet, path, nil, nil, &answer)
	return Page[T]{answer.Data, answer.Page.Next, answer.Page.Prev, answer.Page.Total}, err
}

// All yields every document of a list, page by page. An error ends it.
func (c *Collection[T]) All(ctx context.Context, options ...ListOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for after := ""; ; {
			page, err := c.List(ctx, append(options[:len(options):len(options)], After(after))...)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, document := range page.Documents {
				if !yield(document, nil) {
					return
				}
			}
			if after = page.Next; after == "" {
				return
			}
		}
	}
}
