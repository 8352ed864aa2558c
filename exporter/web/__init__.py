"""HTTP: routes, TLS, authentication and the page; serves what stands ready, computes no KPI."""
