"""The same with FastAPI, pydantic and SQLAlchemy's ORM as their documentation has it: dependencies, sync sessions, response models."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict, EmailStr, computed_field
from sqlalchemy import ForeignKey, create_engine, func, or_, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship, sessionmaker

ROOT = "/api/v1"
KEY = os.environ["JWT_SIGNING_KEY"]
PAGE_OF_COPY = 200

engine = create_engine("postgresql+psycopg2://")  # libpq knows from its variables where to
make_session = sessionmaker(engine)
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
    email: Mapped[str]
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
    token_type: str = "bearer"  # noqa: S105  # the type, no token


class Contact(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    display_name: str


class ClientCreate(BaseModel):
    company_name: str
    first_name: str
    last_name: str
    email: EmailStr
    phone: str = ""
    mobile: str = ""
