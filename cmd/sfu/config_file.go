package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxConfig bounds the configuration file, in bytes.
const maxConfig = 1 << 20

// readFile reads a configuration file into a layer. schema tells which keys there may be and of which kind.
// Faults of the content are collected, each with file and line; err is for a file that cannot be read at all.
func readFile(path string, schema []setting) (layer layer, faults Faults, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxConfig {
		return nil, nil, fmt.Errorf("%s is longer than %d bytes", path, maxConfig)
	}
	layer, faults = parseFile(path, data, schema)
	return layer, faults, nil
}

// parseFile is readFile on bytes. It walks the YAML tree and does not decode into a struct, because decoding
// stops at one kind of fault and cannot say what was meant.
func parseFile(path string, data []byte, schema []setting) (layer, Faults) {
	var faults Faults
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return layer{}, nil // empty, or only comments
	case err != nil:
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		faults.add(path, "not YAML: "+text, "deploy/sfu.yaml is an example with every setting")
		return nil, faults
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		faults.add(path, "more than one YAML document", "remove what follows the line ---")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		if root.Tag == "!!null" {
			return layer{}, faults
		}
		faults.add(at(path, root), "not a list of settings", `write one setting a line, such as addr: ":8443"`)
		return nil, faults
	}
	out := layer{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		where := at(path, key) + " " + key.Value
		s := findSetting(schema, key.Value)
		switch {
		case s == nil:
			faults.add(where, "unknown key", nearest(schema, key.Value))
		case out[s.name].from != "":
			faults.add(where, "set twice, first in "+out[s.name].from, "remove one of them")
		default:
			words, problem := scalars(*s, node)
			if problem != "" {
				faults.add(where, problem, s.example())
				words = nil
			}
			out[s.name] = value{words: words, from: where, broken: problem != ""}
		}
	}
	return out, faults
}

func at(path string, node *yaml.Node) string { return fmt.Sprintf("%s:%d", path, node.Line) }

// scalars checks the kind of a node against its setting and returns the texts in it.
func scalars(s setting, node *yaml.Node) (words []string, problem string) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.SequenceNode {
		if s.kind != kindList {
			return nil, "is a list, and has to be " + s.kind.what()
		}
		for _, n := range node.Content {
			if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
				return nil, fmt.Sprintf("line %d of the list is not text", n.Line)
			}
			words = append(words, n.Value)
		}
		return words, ""
	}
	wanted := map[kind]string{kindText: "!!str", kindList: "!!str", kindNumber: "!!int", kindSwitch: "!!bool"}[s.kind]
	if node.Kind != yaml.ScalarNode || node.Tag != wanted {
		return nil, "is " + yamlKind(node) + ", and has to be " + s.kind.what()
	}
	if s.kind == kindList {
		return splitList(node.Value), ""
	}
	return []string{node.Value}, ""
}

// yamlKind names what stands in the file.
func yamlKind(node *yaml.Node) string {
	names := map[string]string{
		"!!null": "empty", "!!bool": "true or false", "!!int": "a number", "!!float": "a number",
		"!!str": "text", "!!timestamp": "a date", "!!map": "a group of settings",
	}
	if name := names[node.Tag]; name != "" {
		return name
	}
	return "of another kind (" + node.Tag + ")"
}

// nearest makes the hint for an unknown key.
func nearest(schema []setting, key string) string {
	wanted := strings.ToLower(strings.ReplaceAll(key, "_", "-"))
	best, distance := "", 3 // more than two typing errors are another word
	for _, s := range schema {
		if d := editDistance(wanted, s.name); d < distance {
			best, distance = s.name, d
		}
	}
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case slices.Contains(envSecrets, wanted):
		return "secrets do not stand in this file: use " + wanted + "-file or " + envName(wanted)
	}
	return "sfu --help lists the settings; a key is a flag's name without the hyphens before it"
}

// editDistance counts the letters to insert, delete or replace between a and b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
