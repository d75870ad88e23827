"""Builds the Chalice app: the HTTP API and the event workers."""

from chalicelib.api import BLUEPRINTS, PREFIX, SlipwayApp
from chalicelib.telemetry import logger
from chalicelib.workers import workers

app = SlipwayApp(app_name="slipway", configure_logs=False)
app.log = logger
for blueprint in BLUEPRINTS:
    app.register_blueprint(blueprint, url_prefix=PREFIX)
app.register_blueprint(workers)
