# SPDX-License-Identifier: Apache-2.0
"""Rosettar archives: files and typed protobuf records in one file that explains itself."""
