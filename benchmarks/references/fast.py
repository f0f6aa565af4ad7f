"""Reference implementation with FastAPI, pydantic and SQLAlchemy's ORM.

The code follows FastAPI's tutorial: dependencies, response models, sync sessions.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict, Field, computed_field
from sqlalchemy import ForeignKey, create_engine, func, or_, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship

ROOT = "/api/v1"
KEY = os.environ["JWT_SIGNING_KEY"]
SYNC_PAGE_ROWS = 200

engine = create_engine("postgresql+psycopg2://")  # libpq reads address and login from the PG… environment variables.
hasher = PasswordHasher()
bearer = OAuth2PasswordBearer(tokenUrl=f"{ROOT}/users/login/")
app = FastAPI()


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "accounts_user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    password: Mapped[str]
    display_name: Mapped[str]
    is_active: Mapped[bool]


class Client(Base):
    __tablename__ = "clients_client"

    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(default="prospect")
    company_name: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    phone: Mapped[str] = mapped_column(default="")
    mobile: Mapped[str] = mapped_column(default="")
    sales_contact_id: Mapped[int] = mapped_column(ForeignKey("accounts_user.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    version: Mapped[int] = mapped_column(default=1)
    sales_contact: Mapped[User] = relationship()


class Credentials(BaseModel):
    username: str
    password: str


class Token(BaseModel):
    access: str
    token_type: str = "bearer"


class ClientCreate(BaseModel):
    company_name: str = Field(max_length=200)
    first_name: str = Field(max_length=150)
    last_name: str = Field(max_length=150)
    email: str = Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    phone: str = Field("", max_length=128)
    mobile: str = Field("", max_length=128)


class Contact(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str = Field(validation_alias="display_name")


class ClientPublic(ClientCreate):
    model_config = ConfigDict(from_attributes=True)

    id: int
    status: str
    sales_contact: Contact
    created_at: datetime
    updated_at: datetime
    version: int

    @computed_field  # type: ignore[prop-decorator]  # as pydantic's documentation advises
    @property
    def url(self) -> str:
        return f"{ROOT}/clients/{self.id}/"


class Page(BaseModel):
    results: list[ClientPublic]


class Change(BaseModel):
    type: str = "client"
    id: int
    op: str = "upsert"
    version: int
    data: ClientPublic


class Copy(BaseModel):
    changes: list[Change]
    next: int | None
    has_more: bool


def open_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(open_session)]


def current_user(session: SessionDep, token: Annotated[str, Depends(bearer)]) -> User:
    try:
        user = session.get(User, int(jwt.decode(token, KEY, algorithms=["HS256"])["sub"]))
    except jwt.InvalidTokenError:
        user = None
    if user is None or not user.is_active:
        raise HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})
    return user


UserDep = Annotated[User, Depends(current_user)]


@app.post(f"{ROOT}/users/login/")
def log_in(given: Credentials, session: SessionDep) -> Token:
    user = session.scalar(select(User).where(User.username == given.username))
    try:
        if user is None:
            raise VerifyMismatchError
        hasher.verify(user.password.removeprefix("argon2"), given.password)
    except VerifyMismatchError:
        raise HTTPException(401, "Incorrect username or password") from None
    claims = {"sub": str(user.id), "exp": datetime.now(UTC) + timedelta(hours=1)}
    return Token(access=jwt.encode(claims, KEY, algorithm="HS256"))


@app.get(f"{ROOT}/clients/", response_model=Page)
def list_clients(
    session: SessionDep,
    user: UserDep,
    offset: int = 0,
    page_size: Annotated[int, Query(le=200)] = 50,
    sales_contact: int | None = None,
    search: str | None = None,
) -> Any:
    clients = select(Client).options(joinedload(Client.sales_contact)).order_by(Client.id.desc())
    if sales_contact is not None:
        clients = clients.where(Client.sales_contact_id == sales_contact)
    if search:
        searched = (Client.company_name, Client.first_name, Client.last_name, Client.email)
        clients = clients.where(or_(*(column.icontains(search) for column in searched)))
    return {"results": session.scalars(clients.offset(offset).limit(page_size)).all()}


@app.post(f"{ROOT}/clients/", response_model=ClientPublic, status_code=201)
def create_client(given: ClientCreate, session: SessionDep, user: UserDep) -> Any:
    client = Client(**given.model_dump(), sales_contact=user)
    session.add(client)
    session.commit()
    session.refresh(client)
    return client


@app.get(f"{ROOT}/clients/{{key}}/", response_model=ClientPublic)
def retrieve_client(key: int, session: SessionDep, user: UserDep) -> Any:
    client = session.get(Client, key, options=[joinedload(Client.sales_contact)])
    if client is None:
        raise HTTPException(404, "Client not found")
    return client


@app.get(f"{ROOT}/sync/")
def synchronise(session: SessionDep, user: UserDep) -> Copy:
    """Returns the first page of rows, ordered by id, for an app that keeps an offline copy."""
    clients = select(Client).options(joinedload(Client.sales_contact)).order_by(Client.id).limit(SYNC_PAGE_ROWS + 1)
    rows = [ClientPublic.model_validate(client) for client in session.scalars(clients)]
    changes = [Change(id=row.id, version=row.version, data=row) for row in rows[:SYNC_PAGE_ROWS]]
    return Copy(changes=changes, next=changes[-1].id if changes else None, has_more=len(rows) > SYNC_PAGE_ROWS)
