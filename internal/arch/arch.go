// Package arch holds the rules of docs/architecture.md as tests: who may import whom, who may read the clock, the
// environment and the command line, how things are named and how long files get. Each rule fails with its
// reason. The package has no code of its own.
package arch
