package web

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	english = "lang/en.json"
	chinese = "lang/zh-CN.json"
)

// texts reads a dictionary; a key that stands in it twice is an error that encoding/json would hide.
func texts(t *testing.T, name string) map[string]string {
	t.Helper()
	raw := read(t, name)
	out := map[string]string{}
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	keys := regexp.MustCompile(`(?m)^  "([^"]+)":`).FindAllStringSubmatch(raw, -1)
	if len(keys) != len(out) {
		t.Errorf("%s has %d lines but %d keys", name, len(keys), len(out))
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := fs.ReadFile(Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// each calls check with every static file of one of the kinds, which are given as extensions.
func each(t *testing.T, check func(name, text string), kinds ...string) {
	t.Helper()
	seen := 0
	err := fs.WalkDir(Files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains(kinds, path.Ext(name)) {
			return err
		}
		seen++
		check(name, read(t, name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatalf("no files of the kinds %v", kinds)
	}
}

var hole = regexp.MustCompile(`\{[a-z-]+\}`)

func holes(text string) []string {
	found := hole.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestLanguagesHaveTheSameKeys(t *testing.T) {
	en, zh := texts(t, english), texts(t, chinese)
	for key, text := range en {
		other, ok := zh[key]
		if !ok {
			t.Errorf("%s lacks %q", chinese, key)
			continue
		}
		if strings.TrimSpace(text) == "" || strings.TrimSpace(other) == "" {
			t.Errorf("%q is empty", key)
		}
		if !slices.Equal(holes(text), holes(other)) {
			t.Errorf("%q is filled with %v in one language and %v in the other", key, holes(text), holes(other))
		}
	}
	for key := range zh {
		if _, ok := en[key]; !ok {
			t.Errorf("%s lacks %q", english, key)
		}
	}
}

// TestTextsWithoutTheirParameter: what the server may leave out (tries, wait, reason) must not show as {n}.
func TestTextsWithoutTheirParameter(t *testing.T) {
	en := texts(t, english)
	for _, key := range protocolCodes {
		if got := holes(en[key]); len(got) > 0 && !slices.Equal(got, []string{"{host}"}) && !slices.Equal(got, []string{"{doctor-url}"}) {
			if plain, ok := en[key+"_plain"]; !ok || len(holes(plain)) > 0 {
				t.Errorf("%q needs %v, and there is no whole text %q for when it is not known", key, got, key+"_plain")
			}
		}
	}
}

// protocolCodes are the error codes of docs/protocol.md and the codes that pages find themselves.
var protocolCodes = []string{
	"bad_message", "bad_state", "version", "auth", "code_format", "code_unknown", "code_limited", "room_full", "not_live",
	"already_casting", "display_gone", "peer_unknown", "bad_offer", "codec_unsupported", "rate_limited", "server_busy",
	"draining", "internal", "room_locked", "pin_required", "pin_wrong", "denied", "replaced", "removed", "room_ended", "reconnecting", "slow_client", "udp_blocked", "ice_failed",
}

func TestEveryErrorCodeHasAText(t *testing.T) {
	en := texts(t, english)
	codes := slices.Concat(protocolCodes, []string{
		"unsupported", "mobile_no_capture", "capture_cancelled", "capture_denied_os", "no_gesture", "capture_failed", "no_source",
		"settings_too_high", "no_audio", "autoplay_blocked", "approval_timeout", "display_locked", "room_waiting", "insecure_context",
	})
	for _, code := range codes {
		if en[code] == "" {
			t.Errorf("no text for %q", code)
		}
	}
}

var (
	keyInHTML = regexp.MustCompile(`data-t(?:-label|-title|-alt)?="([^"]*)"`)
	callOfT   = regexp.MustCompile(`\bt\(((?:[^()]|\([^()]*\))*)\)`)
	quoted    = regexp.MustCompile(`'([^']*)'( \+)?`)
	rowKey    = regexp.MustCompile(`\['(stats\.[a-z]+)'`)
	compared  = regexp.MustCompile(`[!=]== '[^']*'|indexOf\([^)]*\)|\{[^}]*\}`)
)

func TestEveryUsedKeyExists(t *testing.T) {
	en := texts(t, english)
	used := 0
	need := func(name, key string, prefix bool) {
		used++
		if prefix {
			for have := range en {
				if strings.HasPrefix(have, key) {
					return
				}
			}
		} else if _, ok := en[key]; ok {
			return
		}
		t.Errorf("%s uses the text %q, which does not exist", name, key)
	}
	each(t, func(name, text string) {
		for _, match := range keyInHTML.FindAllStringSubmatch(text, -1) {
			need(name, match[1], false)
		}
	}, ".html")
	each(t, func(name, text string) {
		if name == "js/lang.js" {
			return // where t is made
		}
		for _, call := range callOfT.FindAllStringSubmatch(text, -1) {
			// What is compared with and what is filled in are no keys.
			for _, match := range quoted.FindAllStringSubmatch(compared.ReplaceAllString(call[1], ""), -1) {
				need(name, match[1], match[2] != "")
			}
		}
		for _, match := range rowKey.FindAllStringSubmatch(text, -1) {
			need(name, match[1], false)
		}
	}, ".js")
	if used < 100 {
		t.Errorf("found only %d uses of texts; the patterns of this test have gone blind", used)
	}
}

// TestTextsStandInDictionariesOnly: an HTML file holds no words but the product's name, which is its title until the
// texts are there.
func TestTextsStandInDictionariesOnly(t *testing.T) {
	between := regexp.MustCompile(`>([^<>]*\pL[^<>]*)<`)
	each(t, func(name, text string) {
		for _, match := range between.FindAllStringSubmatch(text, -1) {
			if strings.TrimSpace(match[1]) != "castcode" {
				t.Errorf("%s holds the text %q", name, match[1])
			}
		}
	}, ".html")
}

func TestNoRequestLeavesTheHost(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(?:https?:|wss?:)?//[a-z0-9][a-z0-9.-]*\.[a-z]{2,}`)
	each(t, func(name, text string) {
		for _, match := range outside.FindAllString(text, -1) {
			if match != "http://www.w3.org" { // the name of SVG, fetched by nobody
				t.Errorf("%s mentions %s", name, match)
			}
		}
	}, ".html", ".css", ".js", ".svg", ".json")
}

// TestNothingInline: the content security policy admits scripts and styles from files only, and Trusted Types no HTML
// from strings.
func TestNothingInline(t *testing.T) {
	inHTML := regexp.MustCompile(`(?i)<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:|<script(?:\s[^>]*)?>\s*[^<\s]`)
	withoutSource := regexp.MustCompile(`(?i)<script(?:\s+(?:type|nomodule)(?:="[^"]*")?)*\s*>`)
	inScript := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'|setAttribute\('on`)
	each(t, func(name, text string) {
		if match := inHTML.FindString(text); match != "" {
			t.Errorf("%s has %q", name, match)
		}
		if match := withoutSource.FindString(text); match != "" {
			t.Errorf("%s has a script without a file: %q", name, match)
		}
	}, ".html")
	each(t, func(name, text string) {
		if match := inScript.FindString(text); match != "" {
			t.Errorf("%s has %q", name, match)
		}
	}, ".js")
}

func TestPages(t *testing.T) {
	if len(Pages()) != 5 {
		t.Errorf("there are %d pages", len(Pages()))
	}
	wants := []string{`<!doctype html>`, `<html lang="`, `<meta charset="utf-8">`, `name="viewport"`, `rel="icon"`, `id="announce"`, `aria-live="polite"`, `data-lang="en"`, `data-lang="zh-CN"`}
	for url, name := range Pages() {
		text := read(t, name)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s (%s) has no %s", name, url, want)
			}
		}
	}
}

// TestEveryFileThatIsNamedExists looks at src, href, url() and import.
func TestEveryFileThatIsNamedExists(t *testing.T) {
	named := regexp.MustCompile(`(?:src|href)="(/[^"#]*)"|url\("(/[^"]*)"\)|from '\./([^']*)'`)
	// Answered by the server, not by files of this package.
	served := []string{"/ca.crt", "/ca.mobileconfig"}
	seen := 0
	each(t, func(name, text string) {
		for _, match := range named.FindAllStringSubmatch(text, -1) {
			target := match[1] + match[2]
			if match[3] != "" {
				target = "/" + path.Join(path.Dir(name), match[3])
			}
			seen++
			if _, isPage := Pages()[target]; isPage || slices.Contains(served, target) {
				continue
			}
			if _, err := fs.Stat(Files(), strings.TrimPrefix(target, "/")); err != nil {
				t.Errorf("%s names %s: %v", name, target, err)
			}
		}
	}, ".html", ".css", ".js")
	if seen < 50 {
		t.Errorf("found only %d names of files", seen)
	}
}

// TestElementsOfScripts: byId throws for an element that its page does not have, so the pages are checked here. A
// module belongs to each page that loads it, directly or not.
func TestElementsOfScripts(t *testing.T) {
	entry := regexp.MustCompile(`<script type="module" src="/(js/[^"]*)"`)
	asked := regexp.MustCompile(`(?:byId|inputById|imageById|this\.press)\('([a-z0-9-]+)'[,)]`)
	for url, name := range Pages() {
		html := read(t, name)
		script := entry.FindStringSubmatch(html)
		if script == nil {
			t.Errorf("%s has no module", url)
			continue
		}
		for _, module := range closure(t, script[1]) {
			for _, match := range asked.FindAllStringSubmatch(read(t, module), -1) {
				if !strings.Contains(html, `id="`+match[1]+`"`) {
					t.Errorf("%s asks for the element %q, which %s does not have", module, match[1], name)
				}
			}
		}
		ids := map[string]bool{}
		for _, match := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(html, -1) {
			if ids[match[1]] {
				t.Errorf("%s has two elements %q", name, match[1])
			}
			ids[match[1]] = true
		}
	}
}

// closure lists a module and everything it imports.
func closure(t *testing.T, module string) []string {
	t.Helper()
	imported := regexp.MustCompile(`from '\./([^']*)'`)
	all := []string{module}
	for i := 0; i < len(all); i++ {
		for _, match := range imported.FindAllStringSubmatch(read(t, all[i]), -1) {
			if next := path.Join(path.Dir(all[i]), match[1]); !slices.Contains(all, next) {
				all = append(all, next)
			}
		}
	}
	return all
}

// TestDisplayLoadsOnTelevisions: browsers of televisions are years old. Their engines read ES2018; newer syntax in any
// module of the display would leave the screen empty.
func TestDisplayLoadsOnTelevisions(t *testing.T) {
	comment := regexp.MustCompile(`(?s:/\*.*?\*/)|(?m://.*$)`)
	words := regexp.MustCompile("'[^'\n]*'|/\\^?[^/\n ]*/[gim]+")
	newer := regexp.MustCompile(`\?\.[^\d]|\?\?|\|\|=|&&=|this\.#|\bstatic [a-z]|catch \{|\d_\d|\bglobalThis\b|\.at\(|\.flat\(|\.replaceAll\(|\bfromEntries\b|\bimport\(`)
	modules := closure(t, "js/display.js")
	if len(modules) < 10 {
		t.Fatalf("the display loads only %v", modules)
	}
	for _, module := range modules {
		text := words.ReplaceAllString(comment.ReplaceAllString(read(t, module), ""), "''")
		for i, line := range strings.Split(text, "\n") {
			if match := newer.FindString(line); match != "" {
				t.Errorf("%s has %q, which is newer than ES2018 (line %d without comments)", module, match, i+1)
			}
		}
	}
	style := read(t, "css/display.css") + read(t, "css/stage.css")
	if match := regexp.MustCompile(`clamp\(|\binset:|[^-]aspect-ratio:`).FindString(comment.ReplaceAllString(style, "")); match != "" {
		t.Errorf("the style of the display needs %q", match)
	}
}

func TestLockFileNamesNoRegistry(t *testing.T) {
	file, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if raw := string(file); strings.Contains(raw, "://") || strings.Contains(raw, `"resolved"`) {
		t.Error("package-lock.json holds addresses of a registry; npm install with the .npmrc beside it leaves them out")
	}
}
