//go:build race

package sfu

// raced says that the race detector makes everything ten times slower: crowds are smaller then.
const raced = true
