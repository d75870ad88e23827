"""The yard: an honest stand-in for Railway and CodeBuild that really runs what it is given."""
