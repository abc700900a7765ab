# SPDX-License-Identifier: Apache-2.0
"""Random descriptors and messages, and what their Arrow form must be by the account of the `protobuf` package."""
