"""The pages for people at the backend's address, and the same for programs below /api/.

Each page has a module that makes one typed value of what it shows: `projects.py`, `videos.py`, `video.py`,
`models.py`, `labels.py`, `quality.py`. `pages.py` renders it by a template, `api.py` gives it as JSON, and `openapi.py`
describes that. `actions.py` has what people can change. A page has no script or style but those of `static/`, and every
change is a POST by a form of the macro `form` in `templates/_macros.html`.
"""

from backend.web.dashboard import actions, pages
from backend.web.dashboard.api import api
from backend.web.dashboard.blueprint import bp

__all__ = ["actions", "api", "bp", "pages"]
