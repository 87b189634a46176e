"""Issues of GitHub repositories; the next page is a URL in the Link header. Pull requests are among
them, with a `pull_request`. A repository whose issues are turned off answers 410: it has none.

It needs the payload key `repositories` ("octo/app, octo/docs") and the secret `githubToken`. After
adding a repository, do a re-sync: its older issues are not read otherwise. Issues that are deleted
or transferred in GitHub stay in the table, because this list does not tell them. The links count
pages, so such a deletion in the middle of a reading can hide one other issue until it changes.
"""

from connector import BearerToken, Fetch, Page, Source

source = Source(
    base_url="https://api.github.com",
    auth=BearerToken("githubToken"),
    headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
    payload=["repositories"],
)


@source.entity("issue", primary_key=["id"], cursor="updated_at", page_size=100)
def issue(fetch: Fetch) -> Page:
    """One page of a repository's issues; the repositories are read in alphabetical order."""
    names = sorted(fetch.payload["repositories"].replace(",", " ").split())
    name, url = fetch.token or [names[0], None]
    if url:
        response = fetch.get(url)
    else:
        response = fetch.get(
            f"/repos/{name}/issues",
            params={
                "state": "all",
                "since": fetch.since,
                # By creation: sorted by time of change, issues would move between two pages.
                "sort": "created",
                "direction": "asc",
                "per_page": fetch.page_size,
            },
            ok=[410],
        )
    if link := response.link("next"):
        return Page(response.rows(), next_token=[name, link])
    following = next((each for each in names if each > name), None)
    return Page(
        [] if response.status_code == 410 else response.rows(),
        next_token=following and [following, None],
    )
