// Package reference holds the pages that the service serves for people: the
// API reference, which reads the OpenAPI document in the browser, and one page
// for each kind of problem. They ask nothing of any other origin, and need no
// inline script or style.
package reference

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"sync"

	"github.com/sheafdb/sheaf/internal/fault"
)

//go:embed page
var files embed.FS

// assets are the files that Page refers to, by their media types.
var assets = map[string]string{
	"app.js":    "text/javascript; charset=utf-8",
	"style.css": "text/css; charset=utf-8",
}

// Page returns the HTML of the API reference. It is to be served at /docs, its
// assets at /docs/{name}, and the OpenAPI document at /openapi.json.
func Page() []byte { return read("index.html") }

// Asset returns a file of the page and its media type.
func Asset(name string) (body []byte, media string, ok bool) {
	media, ok = assets[name]
	if !ok {
		return nil, "", false
	}
	return read(name), media, true
}

// read returns an embedded file.
func read(name string) []byte {
	body, err := files.ReadFile("page/" + name)
	if err != nil { // the names are constants of this package
		panic("reference: " + err.Error())
	}
	return body
}

// Problems returns the HTML of the list of all problems, for /problems.
func Problems() []byte { return problemPages()[""] }

// Problem returns the HTML about a code, for /problems/{code}, and false for a
// code that is not in the table.
func Problem(code fault.Code) ([]byte, bool) {
	if code == "" {
		return nil, false
	}
	page, ok := problemPages()[code]
	return page, ok
}

// problemPages are rendered once; the list of all is at "".
var problemPages = sync.OnceValue(func() map[fault.Code][]byte {
	templates := template.Must(template.New("").Funcs(template.FuncMap{"statusText": http.StatusText}).ParseFS(files, "page/*.tmpl"))
	pages := map[fault.Code][]byte{"": render(templates, "problems.tmpl", fault.Codes())}
	for _, info := range fault.Codes() {
		pages[info.Code] = render(templates, "problem.tmpl", info)
	}
	return pages
})

func render(templates *template.Template, name string, data any) []byte {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil { // data has one type a template
		panic("reference: " + err.Error())
	}
	return b.Bytes()
}
