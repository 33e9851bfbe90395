//go:build tools

// Package tools pins the stock commands that the engine builds from this module; it holds no code of ours.
package tools

import (
	_ "github.com/distribution/distribution/v3/cmd/registry"
)
