// Package ogc tests a server against the requirements of OGC API - Processes 1.0.
package ogc
