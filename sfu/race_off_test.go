//go:build !race

package sfu

const raced = false
