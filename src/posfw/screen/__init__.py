"""The one UiState and who draws it."""
