package arch

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "castcode"

// source is one Go file of the tree.
type source struct {
	path    string // with slashes, from the top of the repository
	pkg     string // import path
	name    string // in its package clause
	test    bool
	imports map[string]string // import path -> name in this file
	syntax  *ast.File
}

// top is the repository, seen from this package.
const top = "../.."

// skipped are directories whose content is not ours.
func skipped(name string) bool {
	return name == "node_modules" || name == "testdata" || name == "vendor" || name == "bin" ||
		len(name) > 1 && name[0] == '.' && name != ".ci" && name != ".."
}

// files lists the repository's files, with slashes, without skipped directories.
func files(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != top && skipped(d.Name()):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		rel, err := filepath.Rel(top, p)
		out = append(out, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tree parses all Go files.
func tree(t *testing.T) []*source {
	t.Helper()
	var out []*source
	for _, p := range files(t) {
		if path.Ext(p) != ".go" {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(top, p), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, newSource(p, syntax))
	}
	if len(out) == 0 {
		t.Fatal("no Go files found")
	}
	return out
}

func newSource(p string, syntax *ast.File) *source {
	s := &source{
		path: p, pkg: path.Join(module, path.Dir(p)), name: syntax.Name.Name,
		test: strings.HasSuffix(p, "_test.go"), imports: map[string]string{}, syntax: syntax,
	}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has seen to it
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		s.imports[imported] = name
	}
	return s
}

// uses lists the selectors pkg.Name of a file for one imported package, in the order of the text.
func (s *source) uses(imported string) []string {
	name, ok := s.imports[imported]
	if !ok {
		return nil
	}
	var out []string
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name {
				out = append(out, sel.Sel.Name)
			}
		}
		return true
	})
	return out
}

// within says whether an import path is pkg or below it.
func within(imported, pkg string) bool {
	return imported == pkg || strings.HasPrefix(imported, pkg+"/")
}

func withinAny(imported string, pkgs ...string) bool {
	return slices.ContainsFunc(pkgs, func(p string) bool { return within(imported, p) })
}

// reach returns all packages of this module that pkg's files import, directly or through others, each with a way
// there. Test files count for pkg itself only, and only with tests.
func reach(all []*source, pkg string, tests bool) map[string][]string {
	ways := map[string][]string{pkg: {pkg}}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		for _, s := range all {
			if s.pkg != at || s.test && (!tests || at != pkg) {
				continue
			}
			for imported := range s.imports {
				if within(imported, module) && ways[imported] == nil {
					ways[imported] = append(slices.Clone(ways[at]), imported)
					queue = append(queue, imported)
				}
			}
		}
	}
	delete(ways, pkg)
	return ways
}

// ignored reads the names at the top that .gitignore keeps out of the repository.
func ignored(t *testing.T) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(top, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	var out []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := strings.Trim(lines.Text(), "/ "); line != "" && line[0] != '#' && !strings.Contains(line, "/") {
			out = append(out, line)
		}
	}
	return out
}
