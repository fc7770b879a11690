// Package web holds the pages: plain HTML, CSS and ES modules, embedded in the binary as they lie in static. There
// is no build step and no request to another host.
package web

import (
	"embed"
	"io/fs"
)

//go:embed static
var static embed.FS

// Files returns the static files by the path under which a browser asks for them, without the leading slash:
// "js/session.js", "lang/en.json", "icon.svg". The HTML files lie at the root; Pages says which path shows which.
func Files() fs.FS {
	files, err := fs.Sub(static, "static")
	if err != nil {
		// Only an invalid path fails, and ours is a constant.
		panic(err)
	}
	return files
}

// Pages returns the HTML file in Files of each page's path. The caller owns the map.
func Pages() map[string]string {
	return map[string]string{
		"/":       "index.html",
		"/d":      "display.html",
		"/w":      "watch.html",
		"/ca":     "ca.html",
		"/doctor": "doctor.html",
	}
}
