"""Pieces of configuration for tests."""

SOURCE = "data_server: {url: http://127.0.0.1:3435/wsapi/interaction_data}\n"
SECRET = "only-for-tests-secret"
ENVIRON = {
    "KPI_TEST_SECRET": SECRET,
    "KPI_TEST_HOST": "kpiggybank.example.com",
    "KPI_TEST_EMPTY": "",
    "KPI_TEST_WINDOW": "24h",
    "KPI_TEST_LIMIT": "5000",
}
