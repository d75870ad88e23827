"""Builds the Chalice app: the HTTP API and the event workers."""

import gc

# Nothing that importing makes is garbage: not looking for any saves a tenth of a cold start, and
# what stays for good is left out of every later look.
gc.disable()

from chalicelib.api import BLUEPRINTS, PREFIX, SlipwayApp  # noqa: E402
from chalicelib.telemetry import logger  # noqa: E402
from chalicelib.workers import workers  # noqa: E402

app = SlipwayApp(app_name="slipway", configure_logs=False)
app.log = logger
for blueprint in BLUEPRINTS:
    app.register_blueprint(blueprint, url_prefix=PREFIX)
app.register_blueprint(workers)

gc.enable()
gc.freeze()
